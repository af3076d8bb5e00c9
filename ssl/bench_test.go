package ssl_test

import (
	"testing"

	"sessl/ssl"
)

// benchSession is a session of a real TLS 1.3 connection, with the peer's certificate.
func benchSession(b *testing.B) *ssl.Session {
	b.Helper()
	cli := clientConfig(b)
	got := newInbox(b, cli)
	s := startServer(b, serverConfig(b))
	dial(b, s, newClientCtx(b, cli), nil).Close()
	return got.last(b)
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
	for _, fm := range forms {
		for _, resume := range []bool{false, true} {
			name := fm.name + "/full"
			if resume {
				name = fm.name + "/resumed"
			}
			b.Run(name, func(b *testing.B) { benchConnection(b, fm, resume) })
		}
	}
}

func benchConnection(b *testing.B, fm form, resume bool) {
	srv, cli := serverConfig(b), clientConfig(b)
	srv.SessionTicketsDisabled, cli.MaxVersion = !fm.tickets, fm.version
	got := newInbox(b, cli)
	s := startServer(b, srv)
	ctx := newClientCtx(b, cli)
	dial(b, s, ctx, nil).Close()
	first := got.last(b)
	for b.Loop() {
		var offer *ssl.Session
		if resume {
			offer = first
		}
		c := dial(b, s, ctx, offer)
		if c.SessionReused() != resume {
			b.Fatalf("reused is %t", !resume)
		}
		c.Close()
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	s := startServer(b, serverConfig(b))
	c := dial(b, s, newClientCtx(b, clientConfig(b)), nil)
	defer c.Close()
	for b.Loop() {
		roundTrip(b, c)
	}
}
