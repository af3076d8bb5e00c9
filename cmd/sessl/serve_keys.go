package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"sessl/ssl"
)

// A reloader reads files of keys again, and returns what the current key is called.
type reloader struct {
	keys string // what kind of keys
	read func() (current string, err error)
}

func ticketReloader(keys *ssl.TicketKeys) *reloader {
	return &reloader{"ticket keys", func() (string, error) {
		if err := keys.Reload(); err != nil {
			return "", err
		}
		return keys.Infos()[0].Name, nil
	}}
}

func sealReloader(keys *ssl.SealKeys) *reloader {
	return &reloader{"seal keys", func() (string, error) {
		if err := keys.Reload(); err != nil {
			return "", err
		}
		return keys.Infos()[0].ID, nil
	}}
}

// reloadOnHangup makes SIGHUP read the files of keys again, until stop is called. Without keys
// the signal ends the process, as it does by default.
func (s *server) reloadOnHangup(r *reloader) (stop func()) {
	if r == nil {
		return func() {}
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	var done sync.WaitGroup
	done.Go(func() {
		for range hangup {
			if current, err := r.read(); err != nil {
				s.println(r.keys, "stay as they are:", oneLine(bare(err)))
			} else {
				s.println(r.keys, "read again, current", current)
			}
		}
	})
	return func() {
		signal.Stop(hangup)
		close(hangup)
		done.Wait()
	}
}
