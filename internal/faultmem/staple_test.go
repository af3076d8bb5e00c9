package faultmem_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"testing"

	"sessl/internal/cshim"
	"sessl/internal/faultmem"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Removing a staple needs no memory: nothing of a staple that was set may be left.
func TestSetOCSPStapleOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	cert, staple := ssltest.KeyPair(t, "server-ecdsa"), ssltest.ReadFile(t, "server-ecdsa.ocsp")
	every(t, func(op func(string)) (err, wrong error) {
		op("Certificate.SetOCSPStaple")
		err = cert.SetOCSPStaple(staple)
		wrong = faultmem.Aside(func() error { return cert.SetOCSPStaple(nil) })
		return err, wrong
	})
}

// decodesStaples reports whether libssl itself decodes the staple of each certificate. A client
// without memory for that goes on without a staple, and may leak the decoded part. A server
// looks for the answer about its certificate, and sets a string that it could not allocate
// (ASN1_STRING_set with NULL, seen in 4.0.3).
var decodesStaples = func() bool {
	var major, minor int
	fmt.Sscanf(cshim.Version(), "OpenSSL %d.%d", &major, &minor)
	return major > 3 || major == 3 && minor >= 6
}()

// Without memory for the staple there is no connection, rather than one without a staple.
func TestStapledHandshakeOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		cert, staple := ssltest.KeyPair(t, "server-ecdsa"), ssltest.ReadFile(t, "server-ecdsa.ocsp")
		if err := cert.SetOCSPStaple(staple); err != nil {
			t.Fatal(err)
		}
		l := newLink(t, version, setup{staple: true})
		l.server = ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}, MaxVersion: version})
		end := func(got *[]byte) func(net.Conn) (err, wrong error) {
			return func(raw net.Conn) (err, wrong error) {
				c, err := ssl.Client(raw, l.client)
				if err != nil {
					return err, nil
				}
				defer c.Close()
				if err := offerNothing(c); err != nil {
					return nil, err
				}
				err = c.Handshake()
				*got = c.ConnectionState().OCSPResponse
				return err, nil
			}
		}
		check := func(err error, got []byte) error {
			if err == nil && !bytes.Equal(got, staple) && !(got == nil && decodesStaples) {
				return errors.New("the client got no staple")
			}
			return nil
		}
		perSite(t, func(op func(string)) (err, wrong error) {
			op("Conn.Handshake")
			var got []byte
			err, wrong = drive(end(&got), serve(l))
			faultmem.Aside(func() error { l.take().Close(); return nil })
			return err, errors.Join(wrong, check(err, got))
		})
		server := func(op func(string)) (err, wrong error) {
			op("Conn.Handshake")
			var got []byte
			err, wrong = drive(serve(l), end(&got))
			faultmem.Aside(func() error { l.take().Close(); return nil })
			return err, errors.Join(wrong, check(err, got))
		}
		if decodesStaples {
			sweep(t, server, func(*report) {
				t.Log("no allocation fails in the server: libssl does not look whether it got a string")
			})
			return
		}
		perSite(t, server)
	})
}

func serve(l *link) func(net.Conn) (err, wrong error) {
	return func(raw net.Conn) (err, wrong error) {
		c, err := ssl.Server(raw, l.server)
		if err != nil {
			return err, nil
		}
		defer c.Close()
		return c.Handshake(), nil
	}
}
