package valkeystore

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// secureDB starts a database that asks its clients for certificates, and returns its port for TLS.
func secureDB(t *testing.T) (db *dbtest.Server, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	l.Close()
	certs, err := filepath.Abs("../testdata/certs") // the database changes its directory
	if err != nil {
		t.Fatal(err)
	}
	return dbtest.Start(t, "--tls-port", port, "--tls-cert-file", certs+"/server-ecdsa.pem",
		"--tls-key-file", certs+"/server-ecdsa.key", "--tls-ca-cert-file", certs+"/ca.pem",
		"--tls-auth-clients", "yes"), "localhost:" + port
}

// A connection to the database is TLS of package ssl, with a client's certificate; new ones resume. A
// database that is not who it should be is not talked to.
func TestTLS(t *testing.T) {
	leakcheck.Test(t)
	db, addr := secureDB(t)
	cfg := &ssl.Config{RootCAs: ssltest.Roots(t, "ca"),
		Certificates: []ssl.Certificate{ssltest.KeyPair(t, "client")}}
	ctx := ssltest.NewClientCtx(t, cfg)
	open := func(ctx *ssl.Ctx) *Client {
		c, err := Open("valkeys://"+addr+"/shop", &Options{SealKeys: sealKeys(t, 1), Ctx: ctx})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		return c
	}
	c := open(ctx)
	c.TicketKeys()
	fetched := func() bool {
		_, err := c.tickets.machine.Renew(t.Context())
		return err == nil
	}
	await(t, "an answer", fetched)
	for range 3 {
		db.Do("CLIENT", "KILL", "TYPE", "normal")
		await(t, "an answer on a new connection", fetched)
	}
	s := ssltest.StatsOf(t, ctx)
	if s.Handshakes[ssl.ReusedTicket] < 3 || s.Failed > 0 {
		t.Errorf("handshakes: %v, %d failed", s.Handshakes, s.Failed)
	}

	stranger := open(ssltest.NewClientCtx(t, &ssl.Config{RootCAs: ssltest.Roots(t, "other-ca")}))
	await(t, "a reason", func() bool {
		var unknown *ssl.VerificationError
		return errors.As(stranger.Health(), &unknown) && errors.Is(stranger.Health(), ErrNotConnected)
	})
	system := open(nil)
	await(t, "a reason with the system's roots", func() bool {
		var unknown *ssl.VerificationError
		return errors.As(system.Health(), &unknown)
	})
}
