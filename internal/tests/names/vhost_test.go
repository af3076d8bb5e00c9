package names_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Everything about a connection is the chosen host's: what it demands of the client, its
// versions, its protocols, and its functions. None of it is the listening Ctx's.
func TestVirtualHostsDecideAll(t *testing.T) {
	for _, version := range ssltest.Versions {
		t.Run(ssl.VersionName(version), func(t *testing.T) {
			leakcheck.Test(t)
			listening, open, demanding := ssltest.HostConfigs(t)
			listening.NextProtos = []string{"listening"}
			listening.VerifyConnection = func(ssl.ConnectionState) error {
				return errors.New("the wrong host's function")
			}
			open.NextProtos = []string{"a"}
			demanding.NextProtos = []string{"b"}
			demanding.NumTickets, demanding.SessionTicketsDisabled = 5, true
			demanding.SessionTimeout = 77 * time.Second
			var judged atomic.Int32
			demanding.VerifyConnection = func(st ssl.ConnectionState) error {
				judged.Add(1)
				if len(st.PeerCertificates) == 0 || st.ServerName != "b.test" {
					t.Errorf("b.test is asked about %d certificates for %q", len(st.PeerCertificates), st.ServerName)
				}
				return nil
			}
			var issued atomic.Int32
			demanding.OnNewSession = func(c *ssl.Conn, s *ssl.Session) {
				defer s.Close()
				issued.Add(1)
				if d, err := s.Timeout(); err != nil || d != 77*time.Second {
					t.Errorf("b.test's session lasts %v (%v), want 77s", d, err)
				}
			}
			h := ssltest.StartHosts(t, listening, open, demanding)

			a := ssltest.ClientOf(t, "a.test", version)
			a.NextProtos = []string{"b", "a", "listening"}
			c := ssltest.Dial(t, h.Server, ssltest.NewClientCtx(t, a), nil)
			if st := c.ConnectionState(); st.NegotiatedProtocol != "a" ||
				st.PeerCertificates[0].DNSNames[0] != "a.test" {
				t.Errorf("a.test answers with %q and a certificate for %v", st.NegotiatedProtocol,
					st.PeerCertificates[0].DNSNames)
			}

			b := ssltest.ClientOf(t, "b.test", version)
			b.NextProtos = a.NextProtos
			if err := ssltest.RefusedWith(ssltest.ClientConn(t, h.Server, ssltest.NewClientCtx(t, b))); err == nil {
				t.Error("b.test serves a client without a certificate")
			}
			b.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
			c = ssltest.Dial(t, h.Server, ssltest.NewClientCtx(t, b), nil)
			if st := c.ConnectionState(); st.NegotiatedProtocol != "b" {
				t.Errorf("b.test answers with %q", st.NegotiatedProtocol)
			}
			want := int32(1)
			if version == ssl.VersionTLS13 {
				want = 5
			}
			if judged.Load() == 0 || issued.Load() < want && ssltest.LibraryRelease() != "1.1.1" {
				t.Errorf("b.test was asked %d times and issued %d sessions, want %d", judged.Load(), issued.Load(), want)
			}
		})
	}
}

// A version that only the chosen host has, in both directions.
func TestVirtualHostsHaveTheirOwnVersions(t *testing.T) {
	leakcheck.Test(t)
	listening, open, demanding := ssltest.HostConfigs(t)
	listening.MaxVersion = ssl.VersionTLS12
	open.MinVersion = ssl.VersionTLS13
	demanding.MaxVersion, demanding.ClientAuth, demanding.ClientCAs = ssl.VersionTLS12, ssl.NoClientCert, nil
	h := ssltest.StartHosts(t, listening, open, demanding)
	for host, want := range map[string]uint16{"a.test": ssl.VersionTLS13, "b.test": ssl.VersionTLS12} {
		c := ssltest.Dial(t, h.Server, ssltest.NewClientCtx(t, ssltest.ClientOf(t, host, 0)), nil)
		if v := c.ConnectionState().Version; v != want {
			t.Errorf("%s: %s, want %s", host, ssl.VersionName(v), ssl.VersionName(want))
		}
	}
}

// Each host resumes its own sessions, and no other's: not even for a client that verifies
// nothing and offers what it likes.
func TestVirtualHostsResumeTheirOwnSessions(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, _, cli *ssl.Config) {
		listening, open, demanding := ssltest.HostConfigs(t)
		for _, cfg := range []*ssl.Config{listening, open, demanding} {
			cfg.SessionTicketsDisabled = !fm.Tickets
		}
		h := ssltest.StartHosts(t, listening, open, demanding)
		cli.InsecureSkipVerify = true
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		got := ssltest.NewInbox(t, cli)
		sessions := map[string]*ssl.Session{}
		for _, host := range []string{"a.test", "b.test"} {
			cli.ServerName = host
			ssltest.Dial(t, h.Server, ssltest.NewClientCtx(t, cli), nil)
			sessions[host] = ssltest.Dup(t, got.Last(t))
		}
		for _, from := range []string{"a.test", "b.test"} {
			for _, to := range []string{"a.test", "b.test"} {
				cli.ServerName = to
				c := ssltest.Dial(t, h.Server, ssltest.NewClientCtx(t, cli), sessions[from])
				if c.SessionReused() != (from == to) {
					t.Errorf("a session of %s is resumed by %s: %t", from, to, c.SessionReused())
				}
			}
		}
	})
}

// The ClientHello is whole for the chosen Ctx however it arrives.
func TestVirtualHostFromAHelloInPieces(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		_, open, _ := ssltest.HostConfigs(t)
		host := ssltest.NewServerCtx(t, open)
		var hello *ssl.ClientHelloInfo
		srv.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) { hello = h; return host, nil }
		cli.ServerName, cli.NextProtos = "a.test", []string{"x", "yz"}
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), &pieces{a}, b)
		p.MustShake(t)
		p.Echo(t)
		if hello.ServerName != "a.test" || !slices.Equal(hello.SupportedProtos, cli.NextProtos) {
			t.Errorf("asked about %q and %q", hello.ServerName, hello.SupportedProtos)
		}
		if !slices.Contains(hello.SupportedVersions, cli.MaxVersion) || len(hello.CipherSuites) == 0 ||
			!slices.Contains(hello.SupportedCurves, tls.X25519) || !slices.Contains(hello.SignatureSchemes,
			tls.ECDSAWithP256AndSHA256) ||
			!slices.Contains(hello.Extensions, 0) {
			t.Errorf("the hello is incomplete: %+v", hello)
		}
	})
}

// The application sees extensions that OpenSSL does not know, too, in the client's order.
func TestHelloHasAllExtensions(t *testing.T) {
	leakcheck.Test(t)
	const grease, unknown = 0x3A3A, 0xFAFA
	for name, choose := range map[string]func(*ssl.Config, chan<- []uint16){
		"GetConfigForClient": func(srv *ssl.Config, got chan<- []uint16) {
			srv.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) {
				got <- h.Extensions
				return nil, nil
			}
		},
		"GetCertificate": func(srv *ssl.Config, got chan<- []uint16) {
			srv.GetCertificate = func(h *ssl.ClientHelloInfo) (*ssl.Certificate, error) {
				got <- h.Extensions
				return nil, nil
			}
		},
	} {
		srv := ssltest.ServerConfig(t)
		got := make(chan []uint16, 1)
		choose(srv, got)
		client, done := ssltest.HelloServer(t, srv)
		first := append(ssltest.Extension(grease, nil), ssltest.Extension(unknown, []byte("who knows"))...)
		client.Write(ssltest.RawHello{Host: "a.test", Share: true, First: first}.Record())
		if got, want := <-got, []uint16{grease, unknown, 0, 10, 13, 43, 51}; !slices.Equal(got, want) {
			t.Errorf("%s sees the extensions %v, want %v", name, got, want)
		}
		client.Close()
		<-done
	}
}

// pieces writes no more than seven bytes at a time.
type pieces struct{ net.Conn }

func (p *pieces) Write(b []byte) (n int, err error) {
	for piece := range slices.Chunk(b, 7) {
		m, err := p.Conn.Write(piece)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// An error refuses the client with the alert that it names.
func TestGetConfigForClientRefuses(t *testing.T) {
	for err, alert := range map[error]int{ssltest.ErrRefused: 80, ssl.AlertError(112): 112} {
		ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
			srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return nil, err }
			p := ssltest.NewTCPPair(t, cli, srv)
			c, s := p.Shake()
			if !errors.Is(s, err) || ssltest.AlertOf(c) != alert {
				t.Errorf("server: %v, want %v; client: %v, want alert %d", s, err, c, alert)
			}
			if _, again := p.Shake(); !errors.Is(again, err) {
				t.Errorf("again: %v", again)
			}
		})
	}
}

// What cannot answer: a client's Ctx, and one that has been closed.
func TestGetConfigForClientWithAWrongCtx(t *testing.T) {
	leakcheck.Test(t)
	closed := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	closed.Close()
	for _, tt := range []struct {
		ctx  *ssl.Ctx
		want error
	}{{ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), ssl.ErrClient}, {closed, ssl.ErrClosed}} {
		srv := ssltest.ServerConfig(t)
		srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return tt.ctx, nil }
		c, s := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), srv).Shake()
		if !errors.Is(s, tt.want) || ssltest.AlertOf(c) != 80 {
			t.Errorf("server: %v, want %v; client: %v", s, tt.want, c)
		}
	}
}

// nil is the listening Ctx itself.
func TestGetConfigForClientKeepsItsCtx(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return nil, nil }
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		ssltest.Dial(t, s, ctx, nil)
		if c := ssltest.Dial(t, s, ctx, got.Last(t)); !c.SessionReused() {
			t.Error("not resumed")
		}
	})
}

// The function panics: so does Handshake, the connection is over, and nothing is left.
func TestGetConfigForClientPanics(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { panic("on purpose") }
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), srv)
	done := make(chan error)
	go func() { done <- p.Client.Handshake() }()
	func() {
		defer func() {
			if r := recover(); r != "on purpose" {
				t.Errorf("recovered %v", r)
			}
		}()
		p.Server.Handshake()
	}()
	var e *ssl.Error
	if err := p.Server.Handshake(); !errors.As(err, &e) {
		t.Errorf("second handshake: %v, want an error", err)
	}
	p.Server.Close()
	if err := <-done; err == nil {
		t.Error("the client's handshake succeeded")
	}
}

// While the function waits, its context ends with whatever ends the handshake.
func TestGetConfigForClientIsInterrupted(t *testing.T) {
	for name, interrupt := range map[string]func(c *ssl.Conn, cancel func()){
		"context":  func(_ *ssl.Conn, cancel func()) { cancel() },
		"close":    func(c *ssl.Conn, _ func()) { c.Close() },
		"deadline": nil, // set before
	} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			waits := make(chan struct{})
			srv := ssltest.ServerConfig(t)
			srv.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) {
				close(waits)
				<-h.Context().Done()
				return nil, context.Cause(h.Context())
			}
			p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), srv)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if interrupt == nil {
				p.Server.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			}
			done := make(chan error, 2)
			go func() { done <- p.Client.Handshake() }()
			go func() { done <- p.Server.HandshakeContext(ctx) }()
			<-waits
			if interrupt != nil {
				interrupt(p.Server, cancel)
			}
			for range 2 {
				if err := <-done; err == nil {
					t.Error("a handshake succeeded")
				}
			}
		})
	}
}
