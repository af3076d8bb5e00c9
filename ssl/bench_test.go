package ssl_test

import (
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// benchSession is a session of a real TLS 1.3 connection, with the peer's certificate.
func benchSession(b *testing.B) *ssl.Session {
	b.Helper()
	cli := ssltest.ClientConfig(b)
	got := ssltest.NewInbox(b, cli)
	s := ssltest.StartServer(b, ssltest.ServerConfig(b))
	ssltest.Dial(b, s, ssltest.NewClientCtx(b, cli), nil).Close()
	return got.Last(b)
}

func BenchmarkUpRefClose(b *testing.B) {
	s := benchSession(b)
	for b.Loop() {
		t, err := s.UpRef()
		if err != nil {
			b.Fatal(err)
		}
		t.Close()
	}
}

func BenchmarkDupClose(b *testing.B) {
	s := benchSession(b)
	for b.Loop() {
		t, err := s.Dup()
		if err != nil {
			b.Fatal(err)
		}
		t.Close()
	}
}

func BenchmarkNewClose(b *testing.B) {
	for b.Loop() {
		t, err := ssl.NewSession()
		if err != nil {
			b.Fatal(err)
		}
		t.Close()
	}
}

func BenchmarkGetter(b *testing.B) {
	s := benchSession(b)
	for b.Loop() {
		if _, err := s.ProtocolVersion(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshalParse(b *testing.B) {
	s := benchSession(b)
	for b.Loop() {
		der, err := s.MarshalBinary()
		if err != nil {
			b.Fatal(err)
		}
		t, err := ssl.ParseSession(der)
		if err != nil {
			b.Fatal(err)
		}
		t.Close()
	}
}

func BenchmarkConnection(b *testing.B) {
	for _, fm := range ssltest.Forms {
		for _, resume := range []bool{false, true} {
			name := fm.Name + "/full"
			if resume {
				name = fm.Name + "/resumed"
			}
			b.Run(name, func(b *testing.B) { benchConnection(b, fm, resume) })
		}
	}
}

func benchConnection(b *testing.B, fm ssltest.Form, resume bool) {
	srv, cli := ssltest.ServerConfig(b), ssltest.ClientConfig(b)
	srv.SessionTicketsDisabled, cli.MaxVersion = !fm.Tickets, fm.Version
	got := ssltest.NewInbox(b, cli)
	s := ssltest.StartServer(b, srv)
	ctx := ssltest.NewClientCtx(b, cli)
	ssltest.Dial(b, s, ctx, nil).Close()
	first := got.Last(b)
	for b.Loop() {
		var offer *ssl.Session
		if resume {
			offer = first
		}
		c := ssltest.Dial(b, s, ctx, offer)
		if c.SessionReused() != resume {
			b.Fatalf("reused is %t", !resume)
		}
		c.Close()
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	s := ssltest.StartServer(b, ssltest.ServerConfig(b))
	c := ssltest.Dial(b, s, ssltest.NewClientCtx(b, ssltest.ClientConfig(b)), nil)
	defer c.Close()
	for b.Loop() {
		ssltest.RoundTrip(b, c)
	}
}
