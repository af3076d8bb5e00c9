package grpcssl_test

import (
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"sessl/grpcssl"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// HTTP/2 is negotiated whatever else a Config names, unless it prefers another protocol.
func TestALPN(t *testing.T) {
	leaveNothing(t)
	for _, tc := range []struct {
		what       string
		cli, srv   []string
		negotiated string // other than h2
	}{
		{"none named", nil, nil, ""},
		{"others named", []string{"http/1.1"}, []string{"http/1.1", "acme-tls/1"}, ""},
		{"h2 behind others at the client", []string{"http/1.1", "h2"}, nil, ""},
		{"another preferred by the server", []string{"http/1.1", "h2"}, []string{"http/1.1", "h2"}, "http/1.1"},
	} {
		client, server := shake(t, clientCreds(t, ssltest.Protos(tc.cli...)),
			serverCreds(t, ssltest.Protos(tc.srv...)),
			"localhost")
		if tc.negotiated == "" {
			if client != nil || server != nil {
				t.Errorf("%s: client %v, server %v", tc.what, client, server)
			}
			continue
		}
		for _, err := range []error{client, server} {
			if !errors.Is(err, grpcssl.ErrALPN) || !strings.Contains(err.Error(), tc.negotiated) {
				t.Errorf("%s: %v", tc.what, err)
			}
		}
	}
}

// Either side refuses a peer without h2, and says why.
func TestNoH2(t *testing.T) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for _, names := range [][]string{nil, {"http/1.1"}} {
			t.Run(ssl.VersionName(v)+" "+strings.Join(names, ""), func(t *testing.T) {
				leaveNothing(t)
				a, b := ssltest.TimedPipe(t)
				peer := tls.Server(b,
					&tls.Config{Certificates: []tls.Certificate{ssltest.StdKeyPair(t, "server-ecdsa")}, NextProtos: names})
				done := make(chan struct{})
				go func() { defer close(done); peer.Handshake(); io.Copy(io.Discard, peer); peer.Close() }()
				_, _, err := clientCreds(t, ssltest.Version(v)).ClientHandshake(t.Context(), "localhost", a)
				<-done
				if !errors.Is(err, grpcssl.ErrALPN) || isTemporary(err) {
					t.Errorf("the client's error: %v", err)
				}

				a, b = ssltest.TimedPipe(t)
				client := tls.Client(a,
					&tls.Config{RootCAs: ssltest.StdRoots(t, "ca"), ServerName: "localhost", NextProtos: names,
						MaxVersion: v})
				done = make(chan struct{})
				go func() { defer close(done); client.Handshake(); io.Copy(io.Discard, client); client.Close() }()
				_, _, err = serverCreds(t).ServerHandshake(b)
				<-done
				if !errors.Is(err, grpcssl.ErrALPN) {
					t.Errorf("the server's error: %v", err)
				}
			})
		}
	}
}

// The caller of an RPC is told of a virtual host without h2.
func TestNoH2AtChosenHost(t *testing.T) {
	leaveNothing(t)
	host, err := ssl.NewServerCtx(serverConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	l := ssltest.Listen(t)
	serve(t, l, serverCreds(t, func(cfg *ssl.Config) {
		cfg.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return host, nil }
	}), nil)
	for _, creds := range []credentials.TransportCredentials{clientCreds(t), stdClientCreds(t, 0)} {
		if err := call(t, dial(t, l.Addr().String(), creds)); status.Code(err) != codes.Unavailable ||
			!strings.Contains(err.Error(), "ALPN") {
			t.Error(err)
		}
	}
}
