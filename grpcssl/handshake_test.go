package grpcssl_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"sessl/grpcssl"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// counted counts the Closes of a connection.
type counted struct {
	net.Conn
	closes atomic.Int32
}

func (c *counted) Close() error { c.closes.Add(1); return c.Conn.Close() }

// shake does both ends of a handshake, as gRPC does them, and closes the results.
func shake(t *testing.T, cli, srv credentials.TransportCredentials, authority string) (client, server error) {
	t.Helper()
	a, b := ssltest.TimedPipe(t)
	done := make(chan error)
	go func() {
		conn, _, err := srv.ServerHandshake(b)
		if err == nil {
			defer conn.Close()
			_, err = io.Copy(io.Discard, conn)
		}
		done <- err
	}()
	conn, info, err := cli.ClientHandshake(t.Context(), authority, a)
	if err == nil {
		if info == nil {
			t.Error("no AuthInfo")
		}
		conn.Close()
	}
	return err, <-done
}

// isTemporary asks like gRPC, which does not look at wrapped errors.
func isTemporary(err error) bool {
	e, ok := err.(interface{ Temporary() bool })
	return ok && e.Temporary()
}

// A client's handshake with a silent server ends with its context, and nothing stays open,
// whether ssl uses the socket or not.
func TestClientHandshakeEndsWithContext(t *testing.T) {
	for name, cover := range map[string]func(net.Conn) net.Conn{
		"socket":   func(c net.Conn) net.Conn { return c },
		"net.Conn": func(c net.Conn) net.Conn { return plain{c} },
	} {
		for _, how := range []error{context.Canceled, context.DeadlineExceeded} {
			t.Run(name+" "+how.Error(), func(t *testing.T) {
				leaveNothing(t)
				creds := clientCreds(t)
				ctx, cancel := context.WithCancel(t.Context())
				if how == context.DeadlineExceeded {
					ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
				}
				defer cancel()
				a, b := ssltest.TimedPipe(t)
				ended := make(chan error, 1)
				go func() {
					_, err := b.Read(make([]byte, 1)) // of the ClientHello
					if how == context.Canceled {
						cancel()
					}
					if err == nil {
						_, err = io.Copy(io.Discard, b)
					}
					ended <- err
				}()
				conn, info, err := creds.ClientHandshake(ctx, "localhost", cover(a))
				if conn != nil || info != nil || !errors.Is(err, how) {
					t.Errorf("%v, %v, %v, want %v", conn, info, err, how)
				}
				if want := how == context.DeadlineExceeded; isTemporary(err) != want {
					t.Errorf("%v: temporary %t, want %t", err, !want, want)
				}
				if err := <-ended; errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the connection underneath was not closed")
				}
			})
		}
	}
}

// A server's handshake has the deadline of the connection underneath.
func TestServerHandshakeDeadline(t *testing.T) {
	leaveNothing(t)
	for name, cover := range map[string]func(net.Conn) net.Conn{
		"socket":   func(c net.Conn) net.Conn { return c },
		"net.Conn": func(c net.Conn) net.Conn { return plain{c} },
	} {
		a, b := ssltest.TimedPipe(t)
		b.SetDeadline(time.Now().Add(10 * time.Millisecond))
		conn, _, err := serverCreds(t).ServerHandshake(cover(b))
		if conn != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v, %v", name, conn, err)
		}
		if _, err := a.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) || err == nil {
			t.Errorf("%s: the connection underneath was not closed: %v", name, err)
		}
	}
}

// gRPC's server gives up on a silent client, and stops.
func TestServerTimesOut(t *testing.T) {
	leaveNothing(t)
	l := ssltest.Listen(t)
	s := serve(t, l, serverCreds(t), nil, grpc.ConnectionTimeout(50*time.Millisecond))
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(ssltest.Timeout))
	if _, err := raw.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server did not give up: %v", err)
	}
	s.GracefulStop()
}

// A peer that goes away. A server sees load balancers do this; a client should try again.
func TestPeerGoesAway(t *testing.T) {
	leaveNothing(t)
	a, b := ssltest.TimedPipe(t)
	a.Close()
	if _, _, err := serverCreds(t).ServerHandshake(b); err != io.EOF {
		t.Errorf("the server's error: %v, want io.EOF itself", err)
	}
	a, b = ssltest.TimedPipe(t)
	go func() {
		b.Read(make([]byte, 1<<14)) // all of the ClientHello, so that there is no reset
		b.Close()
	}()
	_, _, err := clientCreds(t).ClientHandshake(t.Context(), "localhost", a)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !isTemporary(err) {
		t.Errorf("the client's error: %v, temporary %t", err, isTemporary(err))
	}
}

// Both ends refuse arguments that they cannot use, and close the connections that they were
// given.
func TestHandshakeRefuses(t *testing.T) {
	leaveNothing(t)
	closed := clientCreds(t)
	closed.Close()
	client := func(c *grpcssl.Credentials, authority string) func(net.Conn) error {
		return func(raw net.Conn) error {
			_, _, err := c.ClientHandshake(t.Context(), authority, raw)
			return err
		}
	}
	server := func(c *grpcssl.Credentials) func(net.Conn) error {
		return func(raw net.Conn) error {
			_, _, err := c.ServerHandshake(raw)
			return err
		}
	}
	for _, tc := range []struct {
		what string
		f    func(net.Conn) error
		want error
	}{
		{"nil client", client(nil, "localhost"), ssl.ErrNil},
		{"nil server", server(nil), ssl.ErrNil},
		{"zero client", client(new(grpcssl.Credentials), "localhost"), ssl.ErrNil},
		{"a server's as a client's", client(serverCreds(t), "localhost"), ssl.ErrServer},
		{"a client's as a server's", server(clientCreds(t)), ssl.ErrClient},
		{"closed", client(closed, "localhost"), ssl.ErrClosed},
		{"no authority", client(clientCreds(t), ""), ssl.ErrConfig},
		{"an authority that is no host", client(clientCreds(t), "a b"), ssl.ErrConfig},
		{"a context that has ended", func(raw net.Conn) error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, _, err := clientCreds(t).ClientHandshake(ctx, "localhost", raw)
			return err
		}, context.Canceled},
		{"nil context", func(raw net.Conn) error {
			//lint:ignore SA1012 the test is about nil
			_, _, err := clientCreds(t).ClientHandshake(nil, "localhost", raw)
			return err
		}, ssl.ErrNil},
	} {
		a, _ := ssltest.TimedPipe(t)
		raw := &counted{Conn: a}
		if err := tc.f(raw); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.what, err, tc.want)
		}
		if raw.closes.Load() == 0 {
			t.Errorf("%s: the connection underneath was not closed", tc.what)
		}
	}
	for _, raw := range []net.Conn{nil, (*net.TCPConn)(nil)} {
		if err := client(clientCreds(t), "localhost")(raw); !errors.Is(err, ssl.ErrNil) {
			t.Errorf("client of %#v: %v", raw, err)
		}
		if err := server(serverCreds(t))(raw); !errors.Is(err, ssl.ErrNil) {
			t.Errorf("server of %#v: %v", raw, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	leaveNothing(t)
	ctx := func(protos ...string) (cli, srv *ssl.Ctx) {
		var err error
		if cli, err = ssl.NewClientCtx(clientConfig(t, func(c *ssl.Config) { c.NextProtos = protos })); err != nil {
			t.Fatal(err)
		}
		if srv, err = ssl.NewServerCtx(serverConfig(t, func(c *ssl.Config) { c.NextProtos = protos })); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cli.Close(); srv.Close() })
		return cli, srv
	}
	cli, srv := ctx("h2")
	cliWithout, srvWithout := ctx("http/1.1")
	for _, tc := range []struct {
		what string
		f    func() (*grpcssl.Credentials, error)
		want error
	}{
		{"client, nil", func() (*grpcssl.Credentials, error) {
			return grpcssl.NewClientCredentialsFromCtx(nil)
		}, ssl.ErrNil},
		{"server, nil", func() (*grpcssl.Credentials, error) {
			return grpcssl.NewServerCredentialsFromCtx(nil)
		}, ssl.ErrNil},
		{"client, server's", func() (*grpcssl.Credentials, error) {
			return grpcssl.NewClientCredentialsFromCtx(srv)
		}, ssl.ErrServer},
		{"server, client's", func() (*grpcssl.Credentials, error) {
			return grpcssl.NewServerCredentialsFromCtx(cli)
		}, ssl.ErrClient},
		{"client, no h2", func() (*grpcssl.Credentials, error) {
			return grpcssl.NewClientCredentialsFromCtx(cliWithout)
		}, ssl.ErrConfig},
		{"server, no h2", func() (*grpcssl.Credentials, error) {
			return grpcssl.NewServerCredentialsFromCtx(srvWithout)
		}, ssl.ErrConfig},
		{"server, nil Config", func() (*grpcssl.Credentials, error) {
			return grpcssl.NewServerCredentials(nil)
		}, ssl.ErrNil},
		{"server, no certificate", func() (*grpcssl.Credentials, error) {
			return grpcssl.NewServerCredentials(&ssl.Config{})
		}, ssl.ErrConfig},
		{"client, bad Config", func() (*grpcssl.Credentials, error) {
			return grpcssl.NewClientCredentials(&ssl.Config{NumTickets: 256, MinVersion: 1})
		}, ssl.ErrConfig},
	} {
		if c, err := tc.f(); c != nil || !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, %v, want %v", tc.what, c, err, tc.want)
		}
	}
}

// brokenCache panics on each lookup.
type brokenCache struct{ ssl.NoSessionCache }

func (brokenCache) Take(ssl.SessionKey) (*ssl.Session, ssl.ReuseState) { panic("here") }

// A panic in the application's code leaves the handshake, and nothing stays open.
func TestHandshakePanics(t *testing.T) {
	leaveNothing(t)
	broken := grpcssl.WithSessionCache(brokenCache{})
	sessions, err := grpcssl.NewClientCredentials(clientConfig(t), broken, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	for _, tc := range []struct {
		what     string
		cli, srv credentials.TransportCredentials
	}{
		{"ClientSessionCache", sessions, serverCreds(t)},
		{"VerifyConnection", clientCreds(t, func(c *ssl.Config) {
			c.VerifyConnection = func(ssl.ConnectionState) error { panic("here") }
		}), serverCreds(t)},
		{"GetConfigForClient", clientCreds(t), serverCreds(t, func(c *ssl.Config) {
			c.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { panic("here") }
		})},
	} {
		a, b := ssltest.TimedPipe(t)
		ends := []*counted{{Conn: a}, {Conn: b}}
		panicked := make(chan any, 2)
		go func() {
			defer func() { panicked <- recover() }()
			if conn, _, err := tc.srv.ServerHandshake(ends[1]); err == nil {
				conn.Close()
			}
		}()
		func() {
			defer func() { panicked <- recover() }()
			tc.cli.ClientHandshake(t.Context(), "localhost", ends[0])
		}()
		if x, y := <-panicked, <-panicked; x != "here" && y != "here" {
			t.Errorf("%s: %v, %v", tc.what, x, y)
		}
		for i, end := range ends {
			if end.closes.Load() == 0 {
				t.Errorf("%s: end %d was not closed", tc.what, i)
			}
		}
	}
}
