package early_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A server that cannot open the ticket does a full handshake, and libssl has nothing left of the
// session under which early data was sent. To ask for its keys is an error then, from the first
// moment on, whatever tickets come later.
func TestExportEarlyOfRejected(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		srv.CipherSuites = []uint16{tls.TLS_AES_256_GCM_SHA384}
		srv.TicketKeys, srv.ReplayGuard = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)}),
			ssltest.NewSpyGuard(t)
		cctx := ssltest.NewClientCtx(t, cli)
		s := ssltest.EarlySession(t, cctx, ssltest.NewServerCtx(t, srv))
		for name, change := range map[string]func(*ssl.Config){
			"other keys": func(cfg *ssl.Config) {
				cfg.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
			},
			"none accepted":       func(cfg *ssl.Config) { cfg.MaxEarlyData, cfg.ReplayGuard = 0, nil },
			"hello retry request": func(cfg *ssl.Config) { cfg.CurvePreferences = []tls.CurveID{tls.CurveP521} },
			"other hash":          func(cfg *ssl.Config) { cfg.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256} },
		} {
			srv := *srv
			change(&srv)
			p := ssltest.EarlyPair(t, cctx, ssltest.NewServerCtx(t, &srv), s)
			stop := ssltest.Hammer(t, p.Client)
			if read := p.ExchangeEarly(t, "early"); read != "" {
				t.Errorf("%s: the server has read %q", name, read)
			}
			if _, err := p.Client.ExportEarlyKeyingMaterial("label", nil, 32); !errors.Is(err, ssl.ErrNoEarlyData) {
				t.Errorf("%s: after a full handshake: %v", name, err)
			}
			p.Echo(t)
			if _, err := p.Client.ExportEarlyKeyingMaterial("label", nil, 32); !errors.Is(err, ssl.ErrNoEarlyData) {
				t.Errorf("%s: after tickets: %v", name, err)
			}
			stop()
			p.CloseBoth()
		}
	})
}

// Early data was accepted, and a ticket comes that allows none: the keys stay what they are, and
// the new session allows none.
func TestExportEarlyAfterBareTicket(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	srv.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256}
	srv.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
	srv.ReplayGuard = ssltest.NewSpyGuard(t)
	box := ssltest.NewInbox(t, cli)
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.EarlySession(t, cctx, ssltest.NewServerCtx(t, srv))
	a, b := ssltest.TCPPipe(t)
	server := ssltest.NewRogueEnd(t, b, srv, true)
	client, err := ssl.Client(a, cctx)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(ssltest.Timeout))
	p := ssltest.Pair{Client: client, Server: server.Conn}
	if err := client.SetSession(s); err != nil {
		t.Fatal(err)
	}
	if got := p.ExchangeEarly(t, "early"); got != "early" {
		t.Fatalf("the server has read %q", got)
	}
	before, err := p.Client.ExportEarlyKeyingMaterial("label", nil, 32)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := server.TakeOver(t, true)
	for i, limit := range []uint32{0, 1000, 0} {
		go r.Write(append(r.Record(ssltest.TypeHandshake, ssltest.NewTicket(uint32(i), limit, 32)),
			r.Record(ssltest.TypeData, []byte("x"))...))
		if err := ssltest.ReadUntil(p.Client, "x"); err != nil {
			t.Fatal(err)
		}
		if n := ssltest.Get(t, box.Last(t).MaxEarlyData); n != limit {
			t.Errorf("ticket %d: the session allows %d bytes, the ticket %d", i, n, limit)
		}
		after, err := p.Client.ExportEarlyKeyingMaterial("label", nil, 32)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("ticket %d: %x before, %x after, %v", i, before, after, err)
		}
	}
}

// A server that has accepted early data and accepts none any more: the session of its next ticket
// sends none, and the connection is one that works.
func TestEarlyLimitEndsWithTheTicket(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	srv.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
	srv.ReplayGuard = ssltest.NewSpyGuard(t)
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.EarlySession(t, cctx, ssltest.NewServerCtx(t, srv))
	none := *srv
	none.MaxEarlyData, none.ReplayGuard = 0, nil
	sctx := ssltest.NewServerCtx(t, &none)
	p := ssltest.Meet(t, cctx, sctx, s)
	next := ssltest.SessionOf(t, p.Client)
	if !p.Client.SessionReused() {
		t.Fatal("not resumed")
	}
	p.CloseBoth()
	if n := ssltest.Get(t, next.MaxEarlyData); n != 0 {
		t.Errorf("the session of a server that accepts none allows %d bytes", n)
	}
	p = ssltest.EarlyPair(t, cctx, sctx, next)
	if _, err := p.Client.WriteEarlyData([]byte("early")); !errors.Is(err, ssl.ErrNoEarlyData) {
		t.Errorf("WriteEarlyData: %v", err)
	}
	p.MustShake(t)
	p.Echo(t)
	p.CloseBoth()
}
