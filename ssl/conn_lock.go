package ssl

import (
	"slices"
	"sync"
	"time"
)

// sem is a mutex that can be waited for with a limit. A connection has several of them, and most
// are never waited for: only a caller that has to wait makes a channel.
type sem struct {
	mu    sync.Mutex
	held  bool
	queue []chan struct{} // of the callers that wait, in order; closed when the lock is theirs
}

// try takes the lock, or reports that it is not free.
func (s *sem) try() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := !s.held
	s.held = true
	return free
}

// unlock hands the lock to the caller that has waited longest, or frees it.
func (s *sem) unlock() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.held = false
		return
	}
	next := s.queue[0]
	if s.queue = s.queue[1:]; len(s.queue) == 0 {
		s.queue = nil
	}
	close(next)
}

// wait reports whether it got the lock before one of the channels said otherwise; a nil channel does not.
func (s *sem) wait(done, closed <-chan struct{}, expired <-chan time.Time) bool {
	turn := s.join()
	if turn == nil {
		return true
	}
	select {
	case <-turn:
		return true
	case <-done:
	case <-closed:
	case <-expired:
	}
	return !s.quit(turn)
}

// join takes the lock if it is free, and otherwise returns a place in the queue.
func (s *sem) join() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held {
		s.held = true
		return nil
	}
	turn := make(chan struct{})
	s.queue = append(s.queue, turn)
	return turn
}

// quit gives up a place in the queue; false says that the lock has been handed over meanwhile.
func (s *sem) quit(turn chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.queue, turn)
	if i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
	}
	return i >= 0
}

// lockBefore waits for the lock and reports whether it got it before Close began: the
// goroutine that has the lock may be one that even Close does not end.
func (s *sem) lockBefore(k *connClosing) bool { return s.try() || s.wait(k.done(), nil, nil) }

// lockFor reports whether it got the lock at once or within d.
func (s *sem) lockFor(d time.Duration) bool {
	if s.try() {
		return true
	}
	if d <= 0 {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	return s.wait(nil, nil, t.C)
}

// life is a channel that is closed when something ends, and made by the first that waits for it.
type life struct {
	mu   sync.Mutex
	over chan struct{}
}

// past is the channel of a life that had ended before anything waited for it.
var past = make(chan struct{})

func init() { close(past) }

// done is closed when the life ends.
func (l *life) done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over == nil {
		l.over = make(chan struct{})
	}
	return l.over
}

// end is called once.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over == nil {
		l.over = past
		return
	}
	close(l.over)
}
