package grpcssl_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"sessl/grpcssl"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// watched sends on came when it has got a session.
type watched struct {
	ssl.ClientSessionCache
	came chan struct{}
}

func (w watched) Put(key ssl.SessionKey, s *ssl.Session) {
	w.ClientSessionCache.Put(key, s)
	select {
	case w.came <- struct{}{}:
	default:
	}
}

// A client that gRPC reconnects resumes, as both sides report.
func TestReconnectResumes(t *testing.T) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for name, creds := range map[string]func(*testing.T) credentials.TransportCredentials{
			"sessl":      ours(serverCreds, v),
			"crypto-tls": std(stdServerCreds, v),
		} {
			t.Run(ssl.VersionName(v)+" "+name, func(t *testing.T) {
				leaveNothing(t)
				kept := ssl.NewClientSessionCache(0)
				defer kept.Close()
				w := watched{kept, make(chan struct{}, 1)}
				srv := creds(t)
				cli, err := grpcssl.NewClientCredentials(clientConfig(t, ssltest.Version(v)), grpcssl.WithSessionCache(w))
				if err != nil {
					t.Fatal(err)
				}
				defer cli.Close()
				// The name outlives the servers, one after the other.
				var addr string
				dialer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "tcp", addr)
				})
				cc := dial(t, "localhost", cli, dialer)
				for i, want := range []bool{false, true, true} {
					l := ssltest.Listen(t)
					addr = l.Addr().String()
					s := serve(t, l, srv, didResume)
					var p peer.Peer
					err := call(t, cc, grpc.Peer(&p), grpc.WaitForReady(true))
					for status.Code(err) == codes.Unavailable { // it has not noticed the Stop yet
						err = call(t, cc, grpc.Peer(&p), grpc.WaitForReady(true))
					}
					if got := status.Convert(err).Message(); got != fmt.Sprint(want) {
						t.Errorf("connection %d: the server says resumed: %v, want %t", i, err, want)
					}
					if got := p.AuthInfo.(credentials.TLSInfo).State.DidResume; got != want {
						t.Errorf("connection %d: the client says resumed: %t, want %t", i, got, want)
					}
					if i == 0 {
						<-w.came
					}
					s.Stop()
				}
			})
		}
	}
}

// didResume answers an RPC with an error whose text says whether its connection resumed.
func didResume(ctx context.Context) error {
	p, _ := peer.FromContext(ctx)
	return status.Error(codes.Aborted, fmt.Sprint(p.AuthInfo.(credentials.TLSInfo).State.DidResume))
}

// Without an option the cache is the Ctx's, for all channels of its credentials. Another
// authority has sessions of its own, and with NoSessionCache there are none.
func TestSessionCacheByDefault(t *testing.T) {
	leaveNothing(t)
	l := ssltest.Listen(t)
	serve(t, l, serverCreds(t, ssltest.Version(ssl.VersionTLS12)), nil) // its session arrives with the handshake
	addr, none := l.Addr().String(), grpcssl.WithSessionCache(ssl.NoSessionCache{})
	with := func(opts ...grpcssl.ClientOption) *grpcssl.Credentials {
		cli, err := grpcssl.NewClientCredentials(clientConfig(t), opts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cli.Close() })
		return cli
	}
	cli, forgetful := with(), with(none)
	for _, tc := range []struct {
		what  string
		creds credentials.TransportCredentials
		as    string
		want  ssl.ReuseState
	}{
		{"first", cli, "localhost", ssl.ReuseNoSession},
		{"second", cli, "localhost", ssl.ReusedTicket},
		{"clone", cli.Clone(), "localhost", ssl.ReusedTicket},
		{"other authority", cli, "localhost:1", ssl.ReuseNoSession},
		{"no cache", forgetful, "localhost", ssl.ReuseNoSession},
		{"no cache again", forgetful, "localhost", ssl.ReuseNoSession},
	} {
		var p peer.Peer
		if err := call(t, dial(t, addr, tc.creds, grpc.WithAuthority(tc.as)), grpc.Peer(&p)); err != nil {
			t.Fatalf("%s: %v", tc.what, err)
		}
		if conn, _ := grpcssl.ConnFromPeer(&p); conn.ReuseState() != tc.want {
			t.Errorf("%s: %v, want %v", tc.what, conn.ReuseState(), tc.want)
		}
	}
}

// Many RPCs at once on each of several connections: each gets its own answer.
func TestConcurrent(t *testing.T) {
	const clients, each = 4, 100
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leaveNothing(t)
			l := ssltest.Listen(t)
			serve(t, l, serverCreds(t, ssltest.Version(v)), nil)
			creds := clientCreds(t, ssltest.Version(v))
			ctx, cancel := context.WithTimeout(t.Context(), ssltest.Timeout)
			defer cancel()
			var wg sync.WaitGroup
			for range clients {
				tc := testgrpc.NewTestServiceClient(dial(t, l.Addr().String(), creds))
				for i := range each {
					wg.Go(func() {
						size := 1 + i*i // up to more than gRPC writes at a time
						in := &testgrpc.SimpleRequest{ResponseSize: int32(size),
							Payload: &testgrpc.Payload{Body: make([]byte, size)}}
						out, err := tc.UnaryCall(ctx, in)
						if err != nil || len(out.Payload.Body) != size {
							t.Errorf("%d bytes, %v, want %d", len(out.GetPayload().GetBody()), err, size)
						}
					})
				}
			}
			wg.Wait()
		})
	}
}

// stream opens a stream that has got an answer.
func stream(t *testing.T, cc *grpc.ClientConn) testgrpc.TestService_FullDuplexCallClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), ssltest.Timeout)
	t.Cleanup(cancel)
	s, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, s)
	return s
}

func exchange(t *testing.T, s testgrpc.TestService_FullDuplexCallClient) {
	t.Helper()
	err := s.Send(&testgrpc.StreamingOutputCallRequest{
		ResponseParameters: []*testgrpc.ResponseParameters{{Size: 10}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
}

// GracefulStop lets a stream end, and Stop breaks it. Neither leaves a connection to the
// garbage collector.
func TestStop(t *testing.T) {
	leaveNothing(t)
	l := ssltest.Listen(t)
	creds := serverCreds(t)
	s := serve(t, l, creds, nil)
	open := stream(t, dial(t, l.Addr().String(), clientCreds(t)))
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.GracefulStop() }()
	exchange(t, open)
	open.CloseSend()
	if _, err := open.Recv(); err != io.EOF {
		t.Errorf("the end of the stream: %v", err)
	}
	<-stopped

	l = ssltest.Listen(t)
	s = serve(t, l, creds, nil)
	open = stream(t, dial(t, l.Addr().String(), clientCreds(t)))
	s.Stop()
	if _, err := open.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the end of the stream: %v", err)
	}
}
