package grpcssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"sessl/grpcssl"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// mutual makes a server demand client certificates.
func mutual(t *testing.T) func(*ssl.Config) {
	return func(cfg *ssl.Config) {
		cfg.ClientAuth = ssl.RequireAndVerifyClientCert
		cfg.ClientCAs = ssltest.Roots(t, "ca")
	}
}

// The handler finds the client's certificate where gRPC's own code looks for it, and also finds
// the connection.
func TestMutual(t *testing.T) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leaveNothing(t)
			l := ssltest.Listen(t)
			serve(t, l, serverCreds(t, ssltest.Version(v), mutual(t)), func(ctx context.Context) error {
				p, _ := peer.FromContext(ctx)
				info, ok := p.AuthInfo.(credentials.TLSInfo)
				if !ok {
					return fmt.Errorf("AuthInfo is a %T", p.AuthInfo)
				}
				conn, ok := grpcssl.ConnFromContext(ctx)
				if !ok {
					return errors.New("no connection in the context")
				}
				state := conn.ConnectionState()
				if len(info.State.PeerCertificates) == 0 || len(info.State.VerifiedChains) != 1 || !state.Verified ||
					!info.State.PeerCertificates[0].Equal(state.PeerCertificates[0]) || info.State.Version != v {
					return fmt.Errorf("%+v, %+v", info.State, state)
				}
				if p.LocalAddr.String() != conn.LocalAddr().String() || p.LocalAddr.Network() != "tcp" {
					return fmt.Errorf("local address %v %v", p.LocalAddr.Network(), p.LocalAddr)
				}
				if err := conn.WithSession(func(*ssl.BorrowedSession) error { return nil }); err != nil {
					return err
				}
				return status.Error(codes.Aborted, info.State.PeerCertificates[0].Subject.CommonName)
			})
			cert := func(cfg *ssl.Config) { cfg.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")} }
			want := ssltest.KeyPair(t, "client").Leaf().Subject.CommonName
			err := call(t, dial(t, l.Addr().String(), clientCreds(t, cert)))
			if s, _ := status.FromError(err); s.Code() != codes.Aborted || s.Message() != want {
				t.Errorf("the handler saw: %v, want %q", err, want)
			}
		})
	}
}

// A client whose certificate is refused is told so, also in TLS 1.3, where its handshake is
// already over. gRPC then either reads the alert or gets it as the reason that it cannot write.
func TestRefusedClient(t *testing.T) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for name, creds := range map[string]credentials.TransportCredentials{
			"sessl": serverCreds(t, ssltest.Version(v), mutual(t)),
			"crypto-tls": credentials.NewTLS(&tls.Config{
				Certificates: []tls.Certificate{ssltest.StdKeyPair(t, "server-ecdsa")},
				MaxVersion:   v,
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    ssltest.StdRoots(t, "ca"),
			}),
		} {
			t.Run(ssl.VersionName(v)+" "+name, func(t *testing.T) {
				leaveNothing(t)
				l := ssltest.Listen(t)
				serve(t, l, creds, nil)
				for range 20 {
					err := call(t, dial(t, l.Addr().String(), clientCreds(t)))
					if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "alert") {
						t.Errorf("without a certificate: %v", err)
					}
				}
			})
		}
	}
}

// A client learns the server's identity, and demands the right name.
func TestServerName(t *testing.T) {
	leaveNothing(t)
	l := ssltest.Listen(t)
	serve(t, l, serverCreds(t), nil)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	named := func(name string) func(*ssl.Config) { return func(cfg *ssl.Config) { cfg.ServerName = name } }
	for _, tc := range []struct {
		what, addr string
		creds      *grpcssl.Credentials
		opts       []grpc.DialOption
		want       string // "" if refused
	}{
		{"the address", l.Addr().String(), clientCreds(t), nil, "127.0.0.1"},
		{"the host", "localhost:" + port, clientCreds(t), nil, "localhost"},
		{"the Config's", l.Addr().String(), clientCreds(t, named("server.test")), nil, "server.test"},
		{"the authority", l.Addr().String(), clientCreds(t), []grpc.DialOption{grpc.WithAuthority("server.test:1")},
			"server.test"},
		{"wrong by the Config", l.Addr().String(), clientCreds(t, named("elsewhere.test")), nil, ""},
		{"wrong by the authority", l.Addr().String(), clientCreds(t),
			[]grpc.DialOption{grpc.WithAuthority("elsewhere.test")}, ""},
	} {
		var p peer.Peer
		err := call(t, dial(t, tc.addr, tc.creds, tc.opts...), grpc.Peer(&p))
		if tc.want == "" {
			if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "peer certificate refused") ||
				!strings.Contains(err.Error(), "elsewhere.test") {
				t.Errorf("%s: %v", tc.what, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.what, err)
			continue
		}
		conn, ok := grpcssl.ConnFromPeer(&p)
		info, _ := p.AuthInfo.(credentials.TLSInfo)
		if !ok || conn.ConnectionState().ServerName != tc.want || info.State.ServerName != tc.want ||
			info.SecurityLevel != credentials.PrivacyAndIntegrity {
			t.Errorf("%s: connected to %q, %+v", tc.what, conn.ConnectionState().ServerName, info)
		}
	}
}

// token is what must not be sent in the clear.
type token struct{}

func (token) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	info, _ := credentials.RequestInfoFromContext(ctx)
	err := credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity)
	return map[string]string{"authorization": "secret"}, err
}

func (token) RequireTransportSecurity() bool { return true }

// Neither side takes a suite without encryption for one that keeps secrets.
func TestSuiteWithoutEncryption(t *testing.T) {
	leaveNothing(t)
	null := func(cfg *ssl.Config) {
		cfg.SecurityLevel, cfg.CipherSuites = ssl.InsecureSecurityLevel0, []uint16{ssltest.SuiteNULL}
		cfg.MaxVersion = ssl.VersionTLS12
	}
	rsa := func(cfg *ssl.Config) { cfg.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-rsa")} }
	l, level := ssltest.Listen(t), make(chan credentials.SecurityLevel, 1)
	serve(t, l, serverCreds(t, null, rsa), func(ctx context.Context) error {
		p, _ := peer.FromContext(ctx)
		level <- p.AuthInfo.(credentials.TLSInfo).SecurityLevel
		return nil
	})
	cc := dial(t, l.Addr().String(), clientCreds(t, null))
	if err := call(t, cc); err != nil {
		t.Fatal(err)
	}
	if got := <-level; got != credentials.IntegrityOnly {
		t.Errorf("the server says %v", got)
	}
	if err := call(t, cc, grpc.PerRPCCredentials(token{})); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with a secret: %v", err)
	}
}

// An RPC may go to another authority in the server's certificate, and to no other.
func TestCallAuthority(t *testing.T) {
	leaveNothing(t)
	l := ssltest.Listen(t)
	serve(t, l, serverCreds(t), nil)
	cc := dial(t, l.Addr().String(), clientCreds(t))
	if err := call(t, cc, grpc.CallAuthority("server.test:443")); err != nil {
		t.Error(err)
	}
	if err := call(t, cc, grpc.CallAuthority("elsewhere.test")); status.Code(err) != codes.Unavailable {
		t.Errorf("an authority that is not in the certificate: %v", err)
	}
}

// The context of a stream leads to its connection.
func TestConnOfStream(t *testing.T) {
	leaveNothing(t)
	l := ssltest.Listen(t)
	serve(t, l, serverCreds(t), nil)
	s := stream(t, dial(t, l.Addr().String(), clientCreds(t)))
	conn, ok := grpcssl.ConnFromContext(s.Context())
	if !ok || conn.ConnectionState().NegotiatedProtocol != "h2" {
		t.Errorf("%v, %t", conn, ok)
	}
}

// A connection has the socket that channelz shows if the connection underneath has one.
func TestSyscallConn(t *testing.T) {
	leaveNothing(t)
	for want, cover := range map[bool]func(net.Conn) net.Conn{
		true:  func(c net.Conn) net.Conn { return c },
		false: func(c net.Conn) net.Conn { return plain{c} },
	} {
		a, b := ssltest.TimedPipe(t)
		done := make(chan error)
		go func() {
			conn, _, err := serverCreds(t).ServerHandshake(b)
			if err == nil {
				_, err = io.Copy(io.Discard, conn)
				conn.Close()
			}
			done <- err
		}()
		conn, _, err := clientCreds(t).ClientHandshake(t.Context(), "localhost", cover(a))
		if err != nil {
			t.Fatal(err)
		}
		if _, got := conn.(syscall.Conn); got != want {
			t.Errorf("a %T has a socket: %t, want %t", conn, got, want)
		}
		conn.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestNoConn(t *testing.T) {
	leaveNothing(t)
	//lint:ignore SA1012 the test is about nil
	if c, ok := grpcssl.ConnFromContext(nil); ok || c != nil {
		t.Error("a connection in no context")
	}
	if c, ok := grpcssl.ConnFromContext(t.Context()); ok || c != nil {
		t.Error("a connection in a context without a peer")
	}
	if c, ok := grpcssl.ConnFromPeer(&peer.Peer{LocalAddr: &net.TCPAddr{}}); ok || c != nil {
		t.Error("a connection of a foreign peer")
	}
}

// Close frees a Ctx that was made, for clones too, and leaves a Ctx open that the caller gave.
func TestClose(t *testing.T) {
	leaveNothing(t)
	l := ssltest.Listen(t)
	serve(t, l, serverCreds(t), nil)
	made := clientCreds(t)
	clone := made.Clone()
	open := dial(t, l.Addr().String(), made)
	if err := call(t, open); err != nil {
		t.Fatal(err)
	}
	made.Close()
	made.Close()
	if err := call(t, open); err != nil {
		t.Errorf("on a connection that was there before: %v", err)
	}
	if err := call(t, dial(t, l.Addr().String(), clone)); status.Code(err) != codes.Unavailable ||
		!strings.Contains(err.Error(), "the Ctx is closed") {
		t.Errorf("a new connection: %v", err)
	}

	cfg := clientConfig(t)
	cfg.NextProtos = []string{"h2"}
	ctx, err := ssl.NewClientCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	given, err := grpcssl.NewClientCredentialsFromCtx(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if given.Ctx() != ctx || (*grpcssl.Credentials)(nil).Ctx() != nil {
		t.Error("another Ctx than the given one")
	}
	given.Close()
	if err := call(t, dial(t, l.Addr().String(), given)); err != nil {
		t.Errorf("the given Ctx: %v", err)
	}
}
