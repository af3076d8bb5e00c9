package grpcssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"sessl/grpcssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

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

func serverConfig(t testing.TB, change ...func(*ssl.Config)) *ssl.Config {
	cfg := &ssl.Config{Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}}
	for _, f := range change {
		f(cfg)
	}
	return cfg
}

func clientConfig(t testing.TB, change ...func(*ssl.Config)) *ssl.Config {
	cfg := &ssl.Config{RootCAs: ssltest.Roots(t, "ca")}
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
	return credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{ssltest.StdKeyPair(t, "server-ecdsa")},
		MaxVersion: v})
}

func stdClientCreds(t testing.TB, v uint16) credentials.TransportCredentials {
	return credentials.NewTLS(&tls.Config{RootCAs: ssltest.StdRoots(t, "ca"), MaxVersion: v,
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
	ctx, cancel := context.WithTimeout(t.Context(), ssltest.Timeout)
	defer cancel()
	_, err := testgrpc.NewTestServiceClient(cc).EmptyCall(ctx, &testgrpc.Empty{}, opts...)
	return err
}

// plain hides the type of a net.Conn, so that ssl cannot use the socket itself.
type plain struct{ net.Conn }
