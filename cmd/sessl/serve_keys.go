package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"sessl/ssl"
)

// reloadOnHangup makes SIGHUP read the files of keys again, until stop is called. Without keys
// the signal ends the process, as it does by default.
func (s *server) reloadOnHangup(keys *ssl.TicketKeys) (stop func()) {
	if keys == nil {
		return func() {}
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	var done sync.WaitGroup
	done.Go(func() {
		for range hangup {
			if err := keys.Reload(); err != nil {
				s.println("ticket keys stay as they are:", oneLine(bare(err)))
			} else {
				s.println("ticket keys read again, current", keys.Infos()[0].Name)
			}
		}
	})
	return func() {
		signal.Stop(hangup)
		close(hangup)
		done.Wait()
	}
}
