package ssl_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// restaple changes the staple that a server of crypto/tls sends. The hash of the handshake is
// another then, so that the client fails in the end in any case.
func (p *rawPeer) restaple(t testing.TB, version uint16, was, staple []byte) {
	length := func(n int) []byte { return []byte{byte(n >> 16), byte(n >> 8), byte(n)} }
	p.wire.edit = func(r []byte) []byte {
		switch {
		case r[0] == 22 && r[5] == 22: // TLS 1.2's CertificateStatus
			body := append(append([]byte{1}, length(len(staple))...), staple...)
			message := append(append([]byte{22}, length(len(body))...), body...)
			return append([]byte{22, 3, 3, byte(len(message) >> 8), byte(len(message))}, message...)
		case r[0] != 23 || version == tls.VersionTLS12 || p.seq > 3:
			return r
		}
		if p.seq == 0 {
			p.derive13(t, "SERVER_HANDSHAKE_TRAFFIC_SECRET")
		}
		inner, err := p.aead.Open(nil, p.nonce(), r[5:], r[:5])
		if err != nil {
			t.Error(err)
			return r
		}
		at := bytes.Index(inner, was)
		if at < 0 {
			return p.seal(22, inner[:len(inner)-1])
		}
		// The lengths before it are those of the response, the extension and all extensions; of the
		// list of certificates and the message, in front.
		less := len(was) - len(staple)
		out := append(append(bytes.Clone(inner[:at]), staple...), inner[at+len(was):len(inner)-1]...)
		for _, f := range [][2]int{{at - 3, 3}, {at - 6, 2}, {at - 10, 2}, {5, 3}, {1, 3}} {
			n := 0
			for _, b := range out[f[0] : f[0]+f[1]] {
				n = n<<8 | int(b)
			}
			copy(out[f[0]:], length(n - less)[3-f[1]:])
		}
		return p.seal(22, out)
	}
}

// A staple that cannot be parsed is none, or the server's fault where libssl tries to parse it. A
// client that asks for none never meets it.
func TestMalformedStaple(t *testing.T) {
	forEachTransport(t, func(t *testing.T, _, cli *ssl.Config) {
		good := staple(t, "server-ecdsa")
		cli.CipherSuites = rawSuites
		for name, staple := range map[string][]byte{"garbage": {1, 2, 3}, "cut": good[:len(good)-1], "trailing": append(bytes.Clone(good), 0)} {
			for i, judge := range []func(ssl.ConnectionState) error{nil, func(ssl.ConnectionState) error { return nil }, nil} {
				cli.RequestOCSPStaple, cli.VerifyConnection = i < 2, judge
				std := stdConfig(t, cli.MaxVersion)
				std.Certificates[0].OCSPStaple = staple
				c, p := rawFor(t, newClientCtx(t, cli), std)
				go p.Handshake()
				switch err := c.Handshake(); {
				case err != nil && (i == 2 || parsesNone() || !errors.Is(err, ssl.ErrMalformed)):
					t.Errorf("%s, with VerifyConnection: %t, asked for: %t: %v", name, judge != nil, i < 2, err)
				}
				if got := c.ConnectionState().OCSPResponse; got != nil {
					t.Errorf("%s: OCSPResponse has %d bytes", name, len(got))
				}
			}
		}
	})
}

// parsesNone tells the versions whose libssl looks into no staple.
func parsesNone() bool {
	switch release() {
	case "1.1.1", "3.0", "3.5":
		return true
	}
	return false
}

// libssl takes an empty staple for a lack of memory.
func TestEmptyStaple(t *testing.T) {
	forEachTransport(t, func(t *testing.T, _, cli *ssl.Config) {
		cli.CipherSuites, cli.RequestOCSPStaple = rawSuites, true
		good := staple(t, "server-ecdsa")
		for _, empty := range []bool{true, false} {
			std := stdConfig(t, cli.MaxVersion)
			std.Certificates[0].OCSPStaple = good
			c, p := rawFor(t, newClientCtx(t, cli), std)
			if with := good; empty {
				p.restaple(t, cli.MaxVersion, good, nil)
			} else {
				p.restaple(t, cli.MaxVersion, good, with) // to see that the way there harms nothing else
			}
			go p.Handshake()
			if err := c.Handshake(); empty != errors.Is(err, ssl.ErrMalformed) || errors.Is(err, ssl.ErrNoMemory) || !empty && err != nil {
				t.Errorf("empty: %t: %v", empty, err)
			}
		}
	})
}

// What comes after a bad staple is not blamed on it.
func TestStapleIsNotToBlame(t *testing.T) {
	forEachVersion(t, func(t *testing.T, _, cli *ssl.Config) {
		cli.RequestOCSPStaple, cli.ServerName = true, "elsewhere.test"
		std := stdConfig(t, cli.MaxVersion)
		std.Certificates[0].OCSPStaple = []byte{1, 2, 3}
		c, p := rawFor(t, newClientCtx(t, cli), std)
		go p.Handshake()
		if err := c.Handshake(); parsesNone() && (verifyCode(err) != hostnameMismatch || errors.Is(err, ssl.ErrMalformed)) {
			t.Error(err)
		}
	})
}

// An expired staple is not sent, and the next one is.
func TestExpiredStaple(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cert, good := stapled(t, "server-ecdsa"), staple(t, "server-ecdsa")
		srv.Certificates, cli.RequestOCSPStaple = []ssl.Certificate{cert}, true
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		sent := func() []byte {
			p := meet(t, cctx, sctx, nil)
			defer p.closeBoth()
			return p.client.ConnectionState().OCSPResponse
		}
		// Its nextUpdate, by testdata/certs.sh: 36500 days after it was made.
		const until = "2126-11-01T11:15:38Z"
		end, err := time.Parse(time.RFC3339, until)
		if err != nil {
			t.Fatal(err)
		}
		left := int64(time.Until(end).Seconds())
		for _, c := range []struct {
			by   int64
			want []byte
		}{{left - 60, good}, {left + 60, nil}} {
			cshim.MoveClock(c.by)
			got := sent()
			cshim.MoveClock(-c.by)
			if !bytes.Equal(got, c.want) {
				t.Errorf("%d s before its end: a staple of %d bytes, want %d", left-c.by, len(got), len(c.want))
			}
		}
		if got := sent(); !bytes.Equal(got, good) {
			t.Errorf("a staple of %d bytes", len(got))
		}
	})
}

func TestStapleIsForClients(t *testing.T) {
	leakcheck.Test(t)
	srv := serverConfig(t)
	srv.RequestOCSPStaple = true
	if err := srv.CheckServer(); !errors.Is(err, ssl.ErrConfig) {
		t.Error(err)
	}
}
