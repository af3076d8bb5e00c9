package valkeystore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/ssltest"
	"sessl/valkeystore/internal/circuit"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// What has happened can be seen: in Stats, in Health while it lasts, and in the log once for each change.
func TestOutageIsSeen(t *testing.T) {
	db := dbtest.Start(t)
	proxy := dbtest.NewProxy(t, db.Addr)
	srv, cli := ssltest.TLS12(t)
	var log lines
	c, one := machine(t, proxy.Addr, srv, func(o *Options) {
		o.Timeout = 100 * time.Millisecond
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	g := c.Guard()
	await(t, "an epoch", func() bool { return g.state() != "unknown" })
	age(t, db)
	if err := g.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := flights("seen", 1)[0]
	claim(t, g, id)
	claim(t, g, id)
	if s := c.Stats().Claims; s.First != 1 || s.Here != 1 || s.Errors != 0 || s.OpenSince != 0 {
		t.Errorf("%+v", s)
	}
	if err := c.Health(); err != nil {
		t.Errorf("before: %v", err)
	}
	proxy.Set(dbtest.Reset, 0)
	s := ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), one, nil, false)
	for i := range circuit.MaxFailures + 1 {
		hastyClaim(t, g, fmt.Appendf(nil, "%032d", i))
		store{c}.Get(t.Context(), []byte("id"))
		store{c}.Remove(t.Context(), []byte("other"))
	}
	err := c.Health()
	for _, kind := range []string{"claims", "lookups", "writes"} {
		if !errors.Is(err, ErrCircuitOpen) || !strings.Contains(err.Error(), kind+" for ") {
			t.Errorf("no word of %s: %v", kind, err)
		}
		want := "of=" + kind + " state=open"
		await(t, want, func() bool { return strings.Contains(log.String(), want) })
	}
	st := c.Stats()
	if st.Claims.Errors != circuit.MaxFailures || st.Claims.Unasked != 1 || st.Claims.OpenSince == 0 ||
		st.Sessions.Unasked != 1 || st.Sessions.Deferred < 2 || st.Sessions.Waiting != 2 ||
		st.Sessions.LookupsOpen == 0 || st.Sessions.WritesOpen == 0 {
		t.Errorf("%+v", st)
	}
	proxy.Set(dbtest.None, 0)
	await(t, "all is well", func() bool {
		claim(t, g, flights(fmt.Sprint(time.Now().UnixNano()), 1)[0])
		store{c}.Get(t.Context(), []byte("id"))
		return c.Health() == nil
	})
	for _, secret := range []string{string(id), string(ssltest.Get(t, s.ID)), "shop:s:"} {
		if strings.Contains(log.String(), secret) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in the log or an error", secret)
		}
	}
	if n := strings.Count(log.String(), "of=writes state=open"); n > 3 {
		t.Errorf("the log says %d times that one circuit is open", n)
	}
}
