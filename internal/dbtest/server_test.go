package dbtest

import (
	"testing"
	"time"
)

// A database that ends at once is not waited for.
func TestServerThatDies(t *testing.T) {
	s := &Server{t: t, Addr: FreeAddr(t), words: func(port, dir string) []string {
		return []string{Program(), "--port", port, "--no-such-option", "1"}
	}}
	begun := time.Now()
	if s.start() {
		t.Error("it started")
	}
	if took := time.Since(begun); took > patience/2 {
		t.Errorf("that took %v", took)
	}
}

// A database that is killed from outside is gone, and can be started again.
func TestServerRestarts(t *testing.T) {
	s := Start(t)
	s.Do("SET", "a", "b")
	s.run.signal(t, 9)
	<-s.run.gone
	s.Restart()
	if got := s.Do("EXISTS", "a"); got != "0" {
		t.Errorf("the key is there: %q", got)
	}
}
