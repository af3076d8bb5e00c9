package recipes

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"sessl/ssl"
)

// follow reloads certificates when the symbolic link that they are reached by points elsewhere, as the
// link ..data of a mounted Kubernetes secret does after an update.
func follow(ctx context.Context, certs *ssl.ReloadableCertificates, link string, every time.Duration) {
	current := "" // the link may have moved since the files were read
	for tick := time.Tick(every); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		if now, err := os.Readlink(link); err == nil && now != current {
			if err := certs.Reload(); err != nil {
				log.Print(err) // the old ones stay; the next tick tries again
				continue
			}
			current = now
		}
	}
}

// onSignal reloads certificates whenever the process gets a SIGHUP, until ctx ends.
func onSignal(ctx context.Context, certs *ssl.ReloadableCertificates) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				if err := certs.Reload(); err != nil {
					log.Print(err) // the old ones stay
				}
			}
		}
	}()
}
