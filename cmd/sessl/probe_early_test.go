package main

import (
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// checkEarly compares the outcome of early data.
func (r *report) checkEarly(t testing.TB, want earlyReport) {
	t.Helper()
	if r.EarlyData == nil || *r.EarlyData != want {
		t.Errorf("early data %+v, want %+v", r.EarlyData, want)
	}
	if !r.Reuse {
		t.Errorf("no reuse: %+v", r)
	}
}

// Our server and OpenSSL's accept early data, as they report themselves.
func TestProbeEarlyData(t *testing.T) {
	for _, kind := range cacheKinds {
		t.Run("serve "+kind, func(t *testing.T) {
			leakcheck.Test(t)
			s, addr := startServe(t, "--early-data", "1000", "--session-cache", kind)
			r := probeJSON(t, exitOK, addr, "-n", "2", "--early-data", "--send", "ping")
			r.checkEarly(t, earlyReport{Accepted: 2, MaxBytes: 1000})
			s.await(2, " resumed=ticket early=accepted ")
			if n := s.count(" early="); n != 2 {
				t.Errorf("%d connections with early data", n)
			}
		})
	}
	t.Run("s_server", func(t *testing.T) {
		leakcheck.Test(t)
		s, addr := startOpenSSL(t, "-early_data", "-max_early_data", "500")
		r := probeJSON(t, exitOK, addr, "-n", "2", "--early-data", "--send", `early bird\n`)
		r.checkEarly(t, earlyReport{Accepted: 2, MaxBytes: 500})
		s.await(2, "Early data received:")
		s.await(4, "early bird") // on the full handshakes it comes later
		if n := s.count("early bird"); n != 4 {
			t.Errorf("it has come %d times on 4 connections", n)
		}
	})
}

// Without --send the early data is an HTTP request, as in probes without early data.
func TestProbeEarlyRequest(t *testing.T) {
	leakcheck.Test(t)
	s, addr := startServe(t, "--early-data", "1000", "--www")
	r := sessl(t, "probe", addr, "--ca", ssltest.CertFile("ca.pem"), "-n", "1", "--early-data").want(t, exitOK)
	if !strings.Contains(r.out, "\nearly data       accepted on 1 of 1 connections\n") {
		t.Error(r.out)
	}
	s.await(1, " early=accepted ")
	if r := probeJSON(t, exitOK, addr, "-n", "1"); r.EarlyData != nil {
		t.Errorf("not asked for: %+v", r.EarlyData)
	}
}

// Rejected data is sent again, and the probe is no success.
func TestProbeEarlyRejected(t *testing.T) {
	leakcheck.Test(t)
	addr, got := lateServer(t, func(cfg *ssl.Config) { cfg.MaxEarlyData = 100 }) // and it reads none
	r := probeJSON(t, exitNoReuse, addr, "-n", "2", "--early-data", "--send", "once")
	r.checkEarly(t, earlyReport{Rejected: 2, MaxBytes: 100})
	for range 4 {
		if s := <-got; s != "once" {
			t.Errorf("it was sent %q", s)
		}
	}
	if len(got) > 0 {
		t.Errorf("and %q", <-got)
	}
	long := sessl(t, "probe", addr, "--ca", ssltest.CertFile("ca.pem"), "-n", "1",
		"--early-data", "--send", strings.Repeat("x", 101)).want(t, exitNoReuse)
	if !strings.Contains(long.errOut,
		"early data was not sent on 1 of 1 connections: the session allows 100 bytes of early data") {
		t.Error(long.errOut)
	}
}

// The same holds for the HTTP request of probe. And once is not always.
func TestProbeEarlyRequestRejected(t *testing.T) {
	leakcheck.Test(t)
	addr, got := lateServer(t, func(cfg *ssl.Config) { cfg.MaxEarlyData, cfg.NumTickets = 100, 1 })
	r := probeJSON(t, exitNoReuse, addr, "-n", "1", "--early-data")
	r.checkEarly(t, earlyReport{Rejected: 1, MaxBytes: 100})
	select {
	case s := <-got:
		if !strings.HasPrefix(s, "HEAD / HTTP/1.1\r\n") {
			t.Errorf("it was sent %q", s)
		}
	default:
		t.Error("it was not sent again")
	}
	both := &earlyReport{Accepted: 1, Rejected: 1}
	if both.works() || both.verdict() != "accepted on 1, rejected on 1 of 2 connections" {
		t.Errorf("%t, %s", both.works(), both.verdict())
	}
}

// The report says why no early data was sent.
func TestProbeEarlyNotSent(t *testing.T) {
	leakcheck.Test(t)
	session := filepath.Join(t.TempDir(), "s.pem")
	_, none := startServe(t)
	_, some := startServe(t, "--early-data", "1000", "--alpn", "h2")
	probeJSON(t, exitOK, some, "-n", "1", "--session-out", session)
	for _, tt := range []struct {
		addr  string
		flags []string
		says  string
		max   uint32
	}{
		{none, nil, "the session does not allow it", 0},
		{some, []string{"--tls", "1.2"}, "it needs TLS 1.3", 0},
		{some, []string{"--session-in", session},
			"the session was not verified for this name and configuration", 0},
		{some, []string{"--alpn", "h2"}, "what to send in h2 must be said with --send", 1000},
	} {
		r := probeJSON(t, exitNoReuse, tt.addr, append(tt.flags, "-n", "1", "--early-data")...)
		r.checkEarly(t, earlyReport{NotSent: 1, Why: tt.says, MaxBytes: tt.max})
		r2 := sessl(t,
			append([]string{"probe", tt.addr, "--ca", ssltest.CertFile("ca.pem"), "-n", "1", "--early-data"},
				tt.flags...)...)
		if r2.code != exitNoReuse || !strings.Contains(r2.out, "not sent on 1 of 1 connections: "+tt.says+"\n") {
			t.Errorf("%v: status %d\n%s%s", tt.flags, r2.code, r2.out, r2.errOut)
		}
	}
	_, nothing := startOpenSSL(t, "-num_tickets", "0", "-www")
	r := sessl(t, "probe", nothing, "--ca", ssltest.CertFile("ca.pem"), "--tls", "1.3", "-n", "1",
		"--early-data", "--send", `GET / HTTP/1.0\r\n\r\n`).want(t, exitNoReuse)
	if !strings.Contains(r.out, "early data  not sent: there was no session\n") {
		t.Error(r.out)
	}
}
