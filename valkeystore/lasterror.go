package valkeystore

import "sync"

// A lastError is why something failed the last time.
type lastError struct {
	mu  sync.Mutex
	err error
}

// note keeps an error; nil changes nothing.
func (l *lastError) note(err error) {
	if err != nil {
		l.set(err)
	}
}

// set keeps an error or nil, and returns the one before.
func (l *lastError) set(err error) (was error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was, l.err = l.err, err
	return was
}

func (l *lastError) get() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
