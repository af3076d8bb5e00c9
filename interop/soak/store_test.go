package soak

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// mood is the behaviour of a store.
type mood int32

const (
	fine    mood = iota
	down         // all calls fail
	slow         // it answers too late
	lying        // it returns the sealed bytes of another session
	panicky      // all calls panic
	moods
)

// store is a SessionStore of bounded size whose mood changes.
type store struct {
	mood atomic.Int32

	mu   sync.Mutex
	kept map[string][]byte
	last []byte
}

const maxKept = 512

func (s *store) face(ctx context.Context) error {
	switch mood(s.mood.Load()) {
	case down:
		return errors.New("the store is down")
	case slow:
		<-ctx.Done()
		return ctx.Err()
	case panicky:
		panic("the store has lost its mind")
	}
	return nil
}

func (s *store) Put(ctx context.Context, id, sealed []byte, _ time.Time) error {
	if err := s.face(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxKept {
		clear(s.kept)
	}
	s.kept[string(id)], s.last = sealed, sealed
	return nil
}

func (s *store) Get(ctx context.Context, id []byte) ([]byte, error) {
	if err := s.face(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if mood(s.mood.Load()) == lying {
		return s.last, nil
	}
	return s.kept[string(id)], nil
}

func (s *store) Remove(ctx context.Context, id []byte) error {
	if err := s.face(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, string(id))
	return nil
}
