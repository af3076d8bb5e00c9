package tickets_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// onUnknownKey sets f, without doubt.
func onUnknownKey(t testing.TB, k *ssl.TicketKeys, timeout time.Duration,
	f func(ctx context.Context, name string) error) {
	t.Helper()
	if err := k.OnUnknownKey(f, timeout); err != nil {
		t.Fatal(err)
	}
}

// A machine that is behind asks for the key of the first ticket that it does not know, and resumes.
func TestUnknownKeyIsAskedFor(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		key := ssltest.NewTicketKey(t)
		ahead := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key}))
		cctx := ssltest.NewClientCtx(t, cli)
		s := ssltest.WantVisit(t, cctx, ahead, nil, false)
		for _, how := range []string{"as it is", "chosen by GetConfigForClient"} {
			k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
			var names []string
			onUnknownKey(t, k, 10*time.Second, func(_ context.Context, name string) error {
				names = append(names, name)
				return k.SetKeys(ssl.TicketKeySet{Current: key})
			})
			sctx := ssltest.TicketServer(t, srv, k)
			if how != "as it is" {
				chosen := sctx
				sctx = ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) {
					c.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return chosen, nil }
				}))
			}
			ssltest.WantVisit(t, cctx, sctx, nil, false) // without a ticket there is no question
			next := ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), true)
			ssltest.WantVisit(t, cctx, sctx, next, true)
			if len(names) != 1 || names[0] != key.Name() {
				t.Errorf("%s: asked for %v, want %s", how, names, key.Name())
			}
			st := k.Stats()
			if st.Unknown != 0 || st.CatchUps != 1 || st.FailedCatchUps != 0 || st.CaughtUp != 1 || st.Resumed != 2 {
				t.Errorf("%s: %+v", how, st)
			}
			if err := k.OnUnknownKey(nil, 0); err != nil {
				t.Fatal(err)
			}
			ssltest.MustSet(t, k, ssl.TicketKeySet{})
			ssltest.WantVisit(t, cctx, sctx, next, false)
			if len(names) != 1 {
				t.Errorf("%s: the function that was taken back is called", how)
			}
		}
	})
}

// Only what could be a ticket of this package is a reason to ask.
func TestUnknownKeyOfWhatIsNoTicket(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cli.InsecureSkipVerify = true // what is parsed from DER is not the client's concern here
		cctx := ssltest.NewClientCtx(t, cli)
		key := ssltest.NewTicketKey(t)
		ahead := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key}))
		s := ssltest.WantVisit(t, cctx, ahead, nil, false)
		for n, asked := range map[int]bool{1: false, 15: false, 16: false, 32: false, 64: false, 112: false,
			127: false, 128: true, 129: false, 1008: true, 1023: false} {
			k := ssltest.TicketKeys(t, ssl.TicketKeySet{})
			var calls atomic.Int32
			onUnknownKey(t, k, 10*time.Second, func(context.Context, string) error {
				calls.Add(1)
				return nil
			})
			odd := ssltest.WithTicket(t, s, bytes.Repeat([]byte{0x5a}, n))
			ssltest.WantVisit(t, cctx, ssltest.TicketServer(t, srv, k), odd, false)
			if got := calls.Load() == 1; got != asked {
				t.Errorf("%d bytes: asked is %t", n, got)
			}
		}
	})
}

// strangers are clients with tickets of keys that a machine does not know, in a bubble of time.
type strangers struct {
	t          *testing.T
	cctx, sctx *ssl.Ctx
	keys       *ssl.TicketKeys
	known      ssl.TicketKey
	ticket     *ssl.Session // of known
	odd        *ssl.Session // of another key
	oddKey     ssl.TicketKey
}

// inBubble runs f for each version.
func inBubble(t *testing.T, f func(t *testing.T, s *strangers)) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := &strangers{known: ssltest.NewTicketKey(t), oddKey: ssltest.NewTicketKey(t)}
		s.cctx = ssltest.NewClientCtx(t, cli)
		for key, at := range map[ssl.TicketKey]**ssl.Session{s.known: &s.ticket, s.oddKey: &s.odd} {
			other := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key}))
			*at = ssltest.WantVisit(t, s.cctx, other, nil, false)
		}
		s.keys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: s.known})
		s.sctx = ssltest.TicketServer(t, srv, s.keys)
		synctest.Test(t, func(t *testing.T) {
			s.t = t
			f(t, s)
		})
	})
}

// An arrival is one handshake under way.
type arrival struct {
	ssltest.Pair
	done chan struct{}
	err  error // the server's
}

// comes begins a handshake that offers offer.
func (s *strangers) comes(ctx context.Context, offer *ssl.Session) *arrival {
	s.t.Helper()
	a, b := net.Pipe()
	p := ssltest.NewPair(s.t, s.cctx, s.sctx, a, b)
	if err := p.Client.SetSession(offer); err != nil {
		s.t.Fatal(err)
	}
	v := &arrival{Pair: p, done: make(chan struct{})}
	client := make(chan struct{})
	go func() {
		defer close(client)
		if p.Client.Handshake() != nil {
			a.Close()
		}
	}()
	go func() {
		if v.err = p.Server.HandshakeContext(ctx); v.err != nil {
			b.Close()
		}
		close(v.done)
		<-client
		a.Close() // else each end would wait for the other
		b.Close()
	}()
	return v
}

// passes wants a handshake that waits for nothing.
func (s *strangers) passes(what string, offer *ssl.Session, resumed bool) {
	s.t.Helper()
	begun := time.Now()
	v := s.comes(context.Background(), offer)
	<-v.done
	if took := time.Since(begun); took != 0 {
		s.t.Errorf("%s: the handshake took %v", what, took)
	}
	if v.err != nil || v.Server.SessionReused() != resumed {
		s.t.Errorf("%s: %v, resumed %t", what, v.err, v.Server.SessionReused())
	}
}

func (s *strangers) wantStats(what string, calls, fails, helps uint64) {
	s.t.Helper()
	if st := s.keys.Stats(); st.CatchUps != calls || st.FailedCatchUps != fails || st.CaughtUp != helps {
		s.t.Errorf("%s: %+v, want %d calls, %d failures, %d helped", what, st, calls, fails, helps)
	}
}

// There is a second of peace after each call: those who come in it get a full handshake at once.
func TestUnknownKeyOnceASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, s *strangers) {
		failure := errors.New("no database")
		onUnknownKey(t, s.keys, 0, func(context.Context, string) error { return failure })
		for i := range uint64(3) {
			s.passes("the one that asks", s.odd, false)
			s.wantStats("the one that asks", i+1, i+1, 0)
			time.Sleep(time.Second - 1)
			s.passes("in the peace", s.odd, false)
			s.wantStats("in the peace", i+1, i+1, 0)
			time.Sleep(time.Nanosecond)
		}
		errs := s.keys.UnknownKeyErrors()
		if len(errs) != 3 || errs[0].Err != failure || errs[0].Op != "OnUnknownKey" ||
			!errs[0].Time.Equal(time.Now().Add(-time.Second)) {
			t.Errorf("%v", errs)
		}
	})
}

// All who come while a call is at work wait for it, 256 at most, and no one with a known key does.
func TestUnknownKeyOneCallForAll(t *testing.T) {
	inBubble(t, func(t *testing.T, s *strangers) {
		const most = 256
		answer := make(chan struct{})
		onUnknownKey(t, s.keys, 10*time.Second, func(context.Context, string) error {
			<-answer
			return s.keys.SetKeys(ssl.TicketKeySet{Current: s.known, Old: []ssl.TicketKey{s.oddKey}})
		})
		var waiting []*arrival
		for range most {
			waiting = append(waiting, s.comes(context.Background(), ssltest.Dup(t, s.odd)))
		}
		synctest.Wait()
		for i, v := range waiting {
			select {
			case <-v.done:
				t.Errorf("handshake %d has not waited", i)
			default:
			}
		}
		s.passes("one more than can wait", ssltest.Dup(t, s.odd), false)
		s.passes("a known key", ssltest.Dup(t, s.ticket), true)
		s.wantStats("while it is at work", 1, 0, 0)
		close(answer)
		for i, v := range waiting {
			<-v.done
			if v.err != nil || !v.Server.SessionReused() {
				t.Errorf("handshake %d: %v, resumed %t", i, v.err, v.Server.SessionReused())
			}
		}
		s.wantStats("afterwards", 1, 0, most)
		s.passes("the key is here", ssltest.Dup(t, s.odd), true)
	})
}

// Handshakes that have waited leave their places to others.
func TestUnknownKeyPlaces(t *testing.T) {
	inBubble(t, func(t *testing.T, s *strangers) {
		onUnknownKey(t, s.keys, 0, func(context.Context, string) error { return nil })
		for i := range uint64(300) {
			s.passes("one after the other", ssltest.Dup(t, s.odd), false)
			s.wantStats("one after the other", i+1, 0, 0)
			time.Sleep(time.Second)
		}
	})
}

// A call that is late holds up those who wait for the timeout, and no one after that; no second call
// is made beside it. What it brings in the end counts.
func TestUnknownKeyLate(t *testing.T) {
	inBubble(t, func(t *testing.T, s *strangers) {
		answer := make(chan struct{})
		var ended atomic.Bool
		onUnknownKey(t, s.keys, 0, func(ctx context.Context, _ string) error {
			<-answer
			ended.Store(ctx.Err() != nil)
			return s.keys.SetKeys(ssl.TicketKeySet{Current: s.oddKey})
		})
		begun := time.Now()
		v := s.comes(context.Background(), ssltest.Dup(t, s.odd))
		<-v.done
		if took := time.Since(begun); took != 250*time.Millisecond || v.err != nil || v.Server.SessionReused() {
			t.Errorf("%v after %v, resumed %t", v.err, took, v.Server.SessionReused())
		}
		synctest.Wait() // it is counted beside the handshake
		s.wantStats("late", 1, 1, 0)
		time.Sleep(time.Minute)
		s.passes("while it is late", ssltest.Dup(t, s.odd), false)
		s.wantStats("while it is late", 1, 1, 0)
		close(answer)
		synctest.Wait()
		if !ended.Load() {
			t.Error("the context of the call has not ended")
		}
		s.passes("the key is here", ssltest.Dup(t, s.odd), true)
		s.wantStats("in the end", 1, 1, 0)
		time.Sleep(time.Second)
		ssltest.MustSet(t, s.keys, ssl.TicketKeySet{})
		s.passes("the next call", ssltest.Dup(t, s.odd), true)
		s.wantStats("the next call", 2, 1, 1)
	})
}

// A function that panics, or ends its goroutine, has failed, and the handshake goes on.
func TestUnknownKeyPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, s *strangers) {
		for i, f := range []func(){func() { panic("by the application") }, func() { panic(nil) }, runtime.Goexit} {
			onUnknownKey(t, s.keys, 0, func(context.Context, string) error {
				f()
				return nil
			})
			s.passes("a panic", ssltest.Dup(t, s.odd), false)
			s.wantStats("a panic", uint64(i+1), uint64(i+1), 0)
			if errs := s.keys.UnknownKeyErrors(); len(errs) != i+1 || !strings.Contains(errs[0].Err.Error(), "panic") {
				t.Errorf("%v", errs)
			}
			time.Sleep(time.Second)
		}
	})
}

// The end of a connection, of its Ctx or of the keys ends the waiting, and leaves nothing behind.
func TestUnknownKeyEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, s *strangers) {
		onUnknownKey(t, s.keys, 10*time.Second, func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		begun := time.Now()
		ctx, cancel := context.WithCancel(context.Background())
		canceled := s.comes(ctx, ssltest.Dup(t, s.odd))
		closed := s.comes(context.Background(), ssltest.Dup(t, s.odd))
		other := s.comes(context.Background(), ssltest.Dup(t, s.odd))
		synctest.Wait()
		cancel()
		<-canceled.done
		if !errors.Is(canceled.err, context.Canceled) {
			t.Errorf("canceled: %v", canceled.err)
		}
		closed.Server.Close()
		<-closed.done
		if !errors.Is(closed.err, ssl.ErrClosed) {
			t.Errorf("closed: %v", closed.err)
		}
		s.sctx.Close()
		synctest.Wait()
		select {
		case <-other.done:
			t.Error("the Ctx's Close has ended the call")
		default:
		}
		s.wantStats("at work", 1, 0, 0)
		s.keys.Close()
		<-other.done
		if other.err != nil || other.Server.SessionReused() {
			t.Errorf("after Close: %v, resumed %t", other.err, other.Server.SessionReused())
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("all that took %v", took)
		}
	})
}

// Closed keys ask for nothing any more, though their Ctxs go on.
func TestUnknownKeyAfterClose(t *testing.T) {
	inBubble(t, func(t *testing.T, s *strangers) {
		var calls atomic.Int32
		onUnknownKey(t, s.keys, 0, func(context.Context, string) error {
			calls.Add(1)
			return nil
		})
		s.keys.Close()
		s.passes("an unknown key", ssltest.Dup(t, s.odd), false)
		s.passes("a known one", ssltest.Dup(t, s.ticket), true)
		if n := calls.Load(); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestOnUnknownKeyBadInput(t *testing.T) {
	leakcheck.Test(t)
	f := func(context.Context, string) error { return nil }
	k := ssltest.TicketKeys(t, ssl.TicketKeySet{})
	closed := ssltest.TicketKeys(t, ssl.TicketKeySet{})
	closed.Close()
	auto, err := ssl.NewTicketKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer auto.Close()
	var none *ssl.TicketKeys
	for what, c := range map[string]struct{ err, want error }{
		"a negative timeout": {k.OnUnknownKey(f, -1), ssl.ErrConfig},
		"a long one":         {k.OnUnknownKey(f, 10*time.Second+1), ssl.ErrConfig},
		"keys of a timer":    {auto.OnUnknownKey(f, 0), ssl.ErrConfig},
		"keys of the clock":  {derive(t, time.Hour, 0).OnUnknownKey(f, 0), ssl.ErrConfig},
		"closed":             {closed.OnUnknownKey(f, 0), ssl.ErrClosed},
		"nil":                {none.OnUnknownKey(f, 0), ssl.ErrNil},
	} {
		var e *ssl.Error
		if !errors.Is(c.err, c.want) || !errors.As(c.err, &e) || e.Op != "TicketKeys.OnUnknownKey" {
			t.Errorf("%s: %v, want %v", what, c.err, c.want)
		}
	}
	if none.UnknownKeyErrors() != nil || k.UnknownKeyErrors() != nil {
		t.Error("there are errors of no call")
	}
}
