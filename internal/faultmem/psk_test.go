package faultmem_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func testPSK(t *testing.T) ssl.PSK {
	t.Helper()
	k, err := ssl.NewPSK("meter", []byte("0123456789abcdef"), 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPSKOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	every(t, func(op func(string)) (err, wrong error) {
		op("NewPSK")
		_, err = ssl.NewPSK("meter", []byte("0123456789abcdef"), 0)
		leakcheck.Collect() // there is nothing to close
		return err, nil
	})
	k := testPSK(t)
	perSite(t, func(op func(string)) (err, wrong error) {
		op("NewServerCtx")
		ctx, err := ssl.NewServerCtx(&ssl.Config{PSKs: []ssl.PSK{k}, PSKIdentityHint: "hint"})
		ctx.Close()
		return err, nil
	})
}

// pskEnd is one side of a connection that must rest on the key alone.
func pskEnd(make func(net.Conn, *ssl.Ctx) (*ssl.Conn, error), ctx *ssl.Ctx,
	op func(string)) func(net.Conn) (err, wrong error) {
	return func(raw net.Conn) (err, wrong error) {
		op("Conn")
		c, err := make(raw, ctx)
		if err != nil {
			return err, nil
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		op("handshake")
		if err := c.Handshake(); err != nil {
			return err, nil
		}
		if s := c.ConnectionState(); s.PSKIdentity != "meter" || s.DidResume {
			wrong = fmt.Errorf("the identity is %q, resumed %t", s.PSKIdentity, s.DidResume)
		}
		return nil, wrong
	}
}

// A handshake with a key is complete and has the identity, or it fails for want of memory.
func TestPSKHandshakeOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		k := testPSK(t)
		srv := ssltest.NewServerCtx(t, &ssl.Config{PSKs: []ssl.PSK{k}, MaxVersion: version})
		cli, err := ssl.NewClientCtx(&ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true, MaxVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		defer cli.Close()
		perSite(t, func(op func(string)) (err, wrong error) {
			return drive(pskEnd(ssl.Client, cli, op), pskEnd(ssl.Server, srv, quiet))
		})
		perSite(t, func(op func(string)) (err, wrong error) {
			return drive(pskEnd(ssl.Server, srv, op), pskEnd(ssl.Client, cli, quiet))
		})
	})
}
