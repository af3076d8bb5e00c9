package grpcssl_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"sessl/grpcssl"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// ioTimeout bounds every wait of a test. No test waits for it.
const ioTimeout = 30 * time.Second

func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(failures{grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)})
	leakcheck.Main(m)
}

// failures turns the fatal failures of gRPC's test cases, which end the process, into panics
// that a test can recover from.
type failures struct{ grpclog.LoggerV2 }

type failure string

func (failures) Fatal(args ...any)                 { panic(failure(fmt.Sprint(args...))) }
func (failures) Fatalln(args ...any)               { panic(failure(fmt.Sprintln(args...))) }
func (failures) Fatalf(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

// leaveNothing fails t if a handle is left at its end, or if the garbage collector had to free
// a connection that gRPC did not close.
func leaveNothing(t *testing.T) {
	t.Helper()
	before := ssl.ReadCounters().Conns.Collected
	t.Cleanup(func() { // runs after leakcheck, which waits until no handle is open
		if n := ssl.ReadCounters().Conns.Collected - before; n > 0 {
			t.Errorf("%d connections were never closed", n)
		}
	})
	leakcheck.Test(t)
}

func certFile(name string) string { return filepath.Join("..", "testdata", "certs", name) }

func keyPair(t testing.TB, name string) ssl.Certificate {
	t.Helper()
	c, err := ssl.LoadX509KeyPair(certFile(name+".pem"), certFile(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func roots(t testing.TB) *ssl.CertPool {
	t.Helper()
	p, err := ssl.LoadCertPool(certFile("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func stdKeyPair(t testing.TB, name string) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(certFile(name+".pem"), certFile(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func stdRoots(t testing.TB) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(certFile("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(pem)
	return p
}

// version sets the version on both sides of both libraries.
func version(v uint16) func(*ssl.Config) {
	return func(cfg *ssl.Config) { cfg.MaxVersion = v }
}

func serverConfig(t testing.TB, change ...func(*ssl.Config)) *ssl.Config {
	cfg := &ssl.Config{Certificates: []ssl.Certificate{keyPair(t, "server-ecdsa")}}
	for _, f := range change {
		f(cfg)
	}
	return cfg
}

func clientConfig(t testing.TB, change ...func(*ssl.Config)) *ssl.Config {
	cfg := &ssl.Config{RootCAs: roots(t)}
	for _, f := range change {
		f(cfg)
	}
	return cfg
}

func serverCreds(t testing.TB, change ...func(*ssl.Config)) *grpcssl.Credentials {
	t.Helper()
	c, err := grpcssl.NewServerCredentials(serverConfig(t, change...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func clientCreds(t testing.TB, change ...func(*ssl.Config)) *grpcssl.Credentials {
	t.Helper()
	c, err := grpcssl.NewClientCredentials(clientConfig(t, change...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func stdServerCreds(t testing.TB, v uint16) credentials.TransportCredentials {
	return credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{stdKeyPair(t, "server-ecdsa")},
		MaxVersion: v})
}

func stdClientCreds(t testing.TB, v uint16) credentials.TransportCredentials {
	return credentials.NewTLS(&tls.Config{RootCAs: stdRoots(t), MaxVersion: v,
		ClientSessionCache: tls.NewLRUClientSessionCache(0)})
}

// service is gRPC's own test service, whose EmptyCall runs a function of the test.
type service struct {
	testgrpc.TestServiceServer
	empty func(context.Context) error
}

func (s service) EmptyCall(ctx context.Context, in *testgrpc.Empty) (*testgrpc.Empty, error) {
	if s.empty != nil {
		if err := s.empty(ctx); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// StreamingInputCall does not answer a stream without a payload before the stream is cancelled.
// Otherwise the case cancel_after_begin, which wants to see the cancellation, would race the
// answer: with crypto/tls at both ends the case failed 2 of 1000 times.
func (s service) StreamingInputCall(stream testgrpc.TestService_StreamingInputCallServer) error {
	return s.TestServiceServer.StreamingInputCall(&patient{stream, false})
}

type patient struct {
	testgrpc.TestService_StreamingInputCallServer
	fed bool // a payload has arrived
}

func (p *patient) Recv() (*testgrpc.StreamingInputCallRequest, error) {
	in, err := p.TestService_StreamingInputCallServer.Recv()
	p.fed = p.fed || err == nil
	return in, err
}

func (p *patient) SendAndClose(out *testgrpc.StreamingInputCallResponse) error {
	if !p.fed {
		<-p.Context().Done()
		return p.Context().Err()
	}
	return p.TestService_StreamingInputCallServer.SendAndClose(out)
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// serve runs a gRPC server on l that ends with its test.
func serve(t testing.TB, l net.Listener, creds credentials.TransportCredentials,
	empty func(context.Context) error, opts ...grpc.ServerOption) *grpc.Server {
	t.Helper()
	s := grpc.NewServer(append(opts, grpc.Creds(creds))...)
	testgrpc.RegisterTestServiceServer(s, service{interop.NewTestServer(), empty})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// dial makes a client of addr, which is closed with its test.
func dial(t testing.TB, addr string, creds credentials.TransportCredentials,
	opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///"+addr, append(opts, grpc.WithTransportCredentials(creds))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

// call makes one RPC.
func call(t testing.TB, cc *grpc.ClientConn, opts ...grpc.CallOption) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), ioTimeout)
	defer cancel()
	_, err := testgrpc.NewTestServiceClient(cc).EmptyCall(ctx, &testgrpc.Empty{}, opts...)
	return err
}

// pipe returns both ends of a connection over loopback, which are closed with the test.
func pipe(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l := listen(t)
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for _, c := range []net.Conn{client, server} {
		c.SetDeadline(time.Now().Add(ioTimeout))
	}
	return client, server
}

// plain hides the type of a net.Conn, so that ssl cannot use the socket itself.
type plain struct{ net.Conn }
