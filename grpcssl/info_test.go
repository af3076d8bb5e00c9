package grpcssl_test

//lint:file-ignore SA1019 deprecated methods are part of the interface, so they are tested

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestInfoAndClone(t *testing.T) {
	leaveNothing(t)
	names := []string{"http/1.1"}
	c := clientCreds(t, func(cfg *ssl.Config) { cfg.ServerName, cfg.NextProtos = "localhost", names })
	if !slices.Equal(names, []string{"http/1.1"}) {
		t.Errorf("the caller's protocols have become %q", names)
	}
	info := c.Info()
	if info.SecurityProtocol != "tls" || info.ServerName != "localhost" {
		t.Errorf("%+v", info)
	}
	clone := c.Clone()
	override(t, clone, "server.test")
	second := clone.Clone()
	if got := second.Info().ServerName; got != "server.test" {
		t.Errorf("the clone of a clone has the server name %q", got)
	}
	override(t, second, "::1")
	for want, c := range map[string]credentials.TransportCredentials{"localhost": c, "server.test": clone,
		"[::1]": second} {
		if got := c.Info().ServerName; got != want {
			t.Errorf("server name %q, want %q", got, want)
		}
	}
	override(t, clone, "")
	if got := clone.Info().ServerName; got != "" {
		t.Errorf("server name %q, want none", got)
	}
	l := ssltest.Listen(t)
	serve(t, l, serverCreds(t), nil)
	var p peer.Peer
	if err := call(t, dial(t, l.Addr().String(), second), grpc.Peer(&p)); err != nil {
		t.Fatal(err)
	}
	if got := p.AuthInfo.(credentials.TLSInfo).State.ServerName; got != "::1" {
		t.Errorf("the clone demanded %q", got)
	}
	if err := serverCreds(t).OverrideServerName("x"); !errors.Is(err, ssl.ErrServer) {
		t.Errorf("OverrideServerName of a server: %v", err)
	}
}

func override(t *testing.T, c credentials.TransportCredentials, name string) {
	t.Helper()
	if err := c.OverrideServerName(name); err != nil {
		t.Fatal(err)
	}
}
