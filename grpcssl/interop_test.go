package grpcssl_test

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/test/bufconn"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// unary makes a case out of one of gRPC's functions.
func unary(f func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption)) func(
	context.Context, *grpc.ClientConn) {
	return func(ctx context.Context, cc *grpc.ClientConn) { f(ctx, testgrpc.NewTestServiceClient(cc)) }
}

// cases are the interoperability tests of gRPC that package interop has for a plain server:
// they need no account with a cloud, no load reports and no other compression.
var cases = []struct {
	name string
	run  func(context.Context, *grpc.ClientConn)
}{
	{"empty_unary", unary(interop.DoEmptyUnaryCall)},
	{"large_unary", unary(interop.DoLargeUnaryCall)},
	{"client_streaming", unary(interop.DoClientStreaming)},
	{"server_streaming", unary(interop.DoServerStreaming)},
	{"ping_pong", unary(interop.DoPingPong)},
	{"empty_stream", unary(interop.DoEmptyStream)},
	{"timeout_on_sleeping_server", unary(interop.DoTimeoutOnSleepingServer)},
	{"cancel_after_begin", unary(interop.DoCancelAfterBegin)},
	{"cancel_after_first_response", unary(interop.DoCancelAfterFirstResponse)},
	{"status_code_and_message", unary(interop.DoStatusCodeAndMessage)},
	{"special_status_message", unary(interop.DoSpecialStatusMessage)},
	{"custom_metadata", unary(interop.DoCustomMetadata)},
	{"unimplemented_method", interop.DoUnimplementedMethod},
	{"unimplemented_service", func(ctx context.Context, cc *grpc.ClientConn) {
		interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(cc))
	}},
}

// runCases runs all cases on one client.
func runCases(t *testing.T, cc *grpc.ClientConn) {
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			defer func() {
				if f, ok := recover().(failure); ok {
					t.Fatal(f)
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), ssltest.Timeout)
			defer cancel()
			tc.run(ctx, cc)
		})
	}
}

// Every case runs between our client and our server, and between each of them and gRPC's own
// TLS. The last pair, gRPC's TLS on both ends, shows that the case passes there.
func TestInterop(t *testing.T) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for _, pair := range []struct {
			name     string
			cli, srv func(*testing.T) credentials.TransportCredentials
		}{
			{"sessl to sessl", ours(clientCreds, v), ours(serverCreds, v)},
			{"sessl to crypto-tls", ours(clientCreds, v), std(stdServerCreds, v)},
			{"crypto-tls to sessl", std(stdClientCreds, v), ours(serverCreds, v)},
			{"crypto-tls to crypto-tls", std(stdClientCreds, v), std(stdServerCreds, v)},
		} {
			t.Run(ssl.VersionName(v)+" "+pair.name, func(t *testing.T) {
				leaveNothing(t)
				l := ssltest.Listen(t)
				serve(t, l, pair.srv(t), nil)
				runCases(t, dial(t, l.Addr().String(), pair.cli(t)))
			})
		}
	}
}

func ours[C credentials.TransportCredentials](f func(testing.TB, ...func(*ssl.Config)) C,
	v uint16) func(*testing.T) credentials.TransportCredentials {
	return func(t *testing.T) credentials.TransportCredentials { return f(t, ssltest.Version(v)) }
}

func std(f func(testing.TB, uint16) credentials.TransportCredentials,
	v uint16) func(*testing.T) credentials.TransportCredentials {
	return func(t *testing.T) credentials.TransportCredentials { return f(t, v) }
}

// The same over a connection without a socket.
func TestInteropWithoutSocket(t *testing.T) {
	leaveNothing(t)
	l := bufconn.Listen(1 << 16)
	serve(t, l, serverCreds(t), nil)
	dialer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return l.DialContext(ctx)
	})
	runCases(t, dial(t, "localhost", clientCreds(t), dialer))
}
