package hostile_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// stalled is one handshake in which the victim hears nothing from some byte on.
type stalled struct {
	at           int
	w            *tampered
	victim, peer chan error
}

// startStalled begins it; ctx is the victim's.
func startStalled(t *testing.T, ctx context.Context, cli, srv *ssl.Ctx, v ssltest.Victim, at int,
	how harm) *stalled {
	t.Helper()
	a, b := net.Pipe()
	s := &stalled{at: at, w: &tampered{at: at, how: how, silent: make(chan struct{})},
		victim: make(chan error, 1), peer: make(chan error, 1)}
	ends := [2]net.Conn{a, b}
	s.w.Conn, ends[v] = ends[v], s.w
	p := ssltest.NewPair(t, cli, srv, ends[0], ends[1])
	held, peer := p.Client, p.Server
	if v == ssltest.ServerEnd {
		held, peer = p.Server, p.Client
	}
	held.SetDeadline(time.Time{}) // the context alone ends it
	go func() { s.victim <- held.HandshakeContext(ctx) }()
	go func() { s.peer <- peer.Handshake() }()
	return s
}

// check waits for the end. An early one must not have come; whole is how many bytes a
// handshake takes, but for the length of signatures.
func (s *stalled) check(t *testing.T, v ssltest.Victim, whole int) {
	t.Helper()
	err := <-s.victim
	peer := <-s.peer
	switch {
	case s.w.gone && !errors.Is(err, context.DeadlineExceeded):
		t.Errorf("%s, stall at %d of %d: %v", v, s.at, whole, err)
	case !s.w.gone && (err != nil || s.at < whole-maxSlack):
		t.Errorf("%s, stall at %d of %d: it did not come to that: %v; the peer: %v", v, s.at, whole, err, peer)
	}
}

// A peer that falls silent holds no call longer than the context allows, at whatever byte of
// the handshake, at both ends. Hundreds of them stall at once, and one deadline ends them.
func TestHostileStall(t *testing.T) {
	const atOnce = 200
	forEachVictim(t, func(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, _ int) {
		whole := handshakeLength(t, cli, srv, v)
		for from := 0; from < whole+maxSlack; from += atOnce * stride() {
			ssltest.Bubble(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var all []*stalled
				for at := from; at < min(from+atOnce*stride(), whole+maxSlack); at += stride() {
					all = append(all, startStalled(t, ctx, cli, srv, v, at, stall))
				}
				synctest.Wait() // they wait, for nothing
				for _, s := range all {
					if s.w.gone && len(s.victim) != 0 {
						t.Errorf("%s, stall at %d of %d: over too early: %v", v, s.at, whole, <-s.victim)
						s.victim <- nil
					}
				}
				for _, s := range all {
					s.check(t, v, whole)
				}
			})
		}
	})
}
