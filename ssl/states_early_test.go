package ssl_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A server that cannot open the ticket does a full handshake, and libssl has nothing left of the
// session under which early data was sent. To ask for its keys is an error then, from the first
// moment on, whatever tickets come later.
func TestExportEarlyOfRejected(t *testing.T) {
	forEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		srv.CipherSuites = []uint16{tls.TLS_AES_256_GCM_SHA384}
		srv.TicketKeys, srv.ReplayGuard = ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)}), newSpyGuard(t)
		cctx := newClientCtx(t, cli)
		s := earlySession(t, cctx, newServerCtx(t, srv))
		for name, change := range map[string]func(*ssl.Config){
			"other keys":          func(cfg *ssl.Config) { cfg.TicketKeys = ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)}) },
			"none accepted":       func(cfg *ssl.Config) { cfg.MaxEarlyData, cfg.ReplayGuard = 0, nil },
			"hello retry request": func(cfg *ssl.Config) { cfg.CurvePreferences = []tls.CurveID{tls.CurveP521} },
			"other hash":          func(cfg *ssl.Config) { cfg.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256} },
		} {
			srv := *srv
			change(&srv)
			p := earlyPair(t, cctx, newServerCtx(t, &srv), s)
			stop := hammer(t, p.client)
			if read := p.exchangeEarly(t, "early"); read != "" {
				t.Errorf("%s: the server has read %q", name, read)
			}
			if _, err := p.client.ExportEarlyKeyingMaterial("label", nil, 32); !errors.Is(err, ssl.ErrNoEarlyData) {
				t.Errorf("%s: after a full handshake: %v", name, err)
			}
			p.echo(t)
			if _, err := p.client.ExportEarlyKeyingMaterial("label", nil, 32); !errors.Is(err, ssl.ErrNoEarlyData) {
				t.Errorf("%s: after tickets: %v", name, err)
			}
			stop()
			p.closeBoth()
		}
	})
}

// Early data was accepted, and a ticket comes that allows none: the keys stay what they are, and
// the new session allows none.
func TestExportEarlyAfterBareTicket(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	srv.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256}
	srv.TicketKeys = ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)})
	srv.ReplayGuard = newSpyGuard(t)
	box := newInbox(t, cli)
	cctx := newClientCtx(t, cli)
	s := earlySession(t, cctx, newServerCtx(t, srv))
	a, b := tcpPipe(t)
	server := newRogueEnd(t, b, srv, true)
	client, err := ssl.Client(a, cctx)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(ioTimeout))
	p := pair{client, server.Conn}
	if err := client.SetSession(s); err != nil {
		t.Fatal(err)
	}
	if got := p.exchangeEarly(t, "early"); got != "early" {
		t.Fatalf("the server has read %q", got)
	}
	before, err := p.client.ExportEarlyKeyingMaterial("label", nil, 32)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := server.takeOver(t, true)
	for i, limit := range []uint32{0, 1000, 0} {
		go r.Write(append(r.record(typeHandshake, newTicket(uint32(i), limit, 32)), r.record(typeData, []byte("x"))...))
		if err := readUntil(p.client, "x"); err != nil {
			t.Fatal(err)
		}
		if n := get(t, box.last(t).MaxEarlyData); n != limit {
			t.Errorf("ticket %d: the session allows %d bytes, the ticket %d", i, n, limit)
		}
		after, err := p.client.ExportEarlyKeyingMaterial("label", nil, 32)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("ticket %d: %x before, %x after, %v", i, before, after, err)
		}
	}
}

// A server that has accepted early data and accepts none any more: the session of its next ticket
// sends none, and the connection is one that works.
func TestEarlyLimitEndsWithTheTicket(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	srv.TicketKeys = ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)})
	srv.ReplayGuard = newSpyGuard(t)
	cctx := newClientCtx(t, cli)
	s := earlySession(t, cctx, newServerCtx(t, srv))
	none := *srv
	none.MaxEarlyData, none.ReplayGuard = 0, nil
	sctx := newServerCtx(t, &none)
	p := meet(t, cctx, sctx, s)
	next := sessionOf(t, p.client)
	if !p.client.SessionReused() {
		t.Fatal("not resumed")
	}
	p.closeBoth()
	if n := get(t, next.MaxEarlyData); n != 0 {
		t.Errorf("the session of a server that accepts none allows %d bytes", n)
	}
	p = earlyPair(t, cctx, sctx, next)
	if _, err := p.client.WriteEarlyData([]byte("early")); !errors.Is(err, ssl.ErrNoEarlyData) {
		t.Errorf("WriteEarlyData: %v", err)
	}
	p.mustShake(t)
	p.echo(t)
	p.closeBoth()
}
