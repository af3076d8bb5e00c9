package certs_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A staple that cannot be parsed is none, or the server's fault where libssl tries to parse it. A
// client that asks for none never meets it.
func TestMalformedStaple(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, _, cli *ssl.Config) {
		good := ssltest.Staple(t, "server-ecdsa")
		cli.CipherSuites = ssltest.RawSuites
		for name, staple := range map[string][]byte{"garbage": {1, 2, 3}, "cut": good[:len(good)-1],
			"trailing": append(bytes.Clone(good), 0)} {
			for i, judge := range []func(ssl.ConnectionState) error{nil,
				func(ssl.ConnectionState) error { return nil }, nil} {
				cli.RequestOCSPStaple, cli.VerifyConnection = i < 2, judge
				std := ssltest.StdConfig(t, cli.MaxVersion)
				std.Certificates[0].OCSPStaple = staple
				c, p := ssltest.RawFor(t, ssltest.NewClientCtx(t, cli), std)
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
	switch ssltest.LibraryRelease() {
	case "1.1.1", "3.0", "3.5":
		return true
	}
	return false
}

// libssl takes an empty staple for a lack of memory.
func TestEmptyStaple(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, _, cli *ssl.Config) {
		cli.CipherSuites, cli.RequestOCSPStaple = ssltest.RawSuites, true
		good := ssltest.Staple(t, "server-ecdsa")
		for _, empty := range []bool{true, false} {
			std := ssltest.StdConfig(t, cli.MaxVersion)
			std.Certificates[0].OCSPStaple = good
			c, p := ssltest.RawFor(t, ssltest.NewClientCtx(t, cli), std)
			if with := good; empty {
				p.Restaple(t, cli.MaxVersion, good, nil)
			} else {
				p.Restaple(t, cli.MaxVersion, good, with) // to see that the way there harms nothing else
			}
			go p.Handshake()
			if err := c.Handshake(); empty != errors.Is(err, ssl.ErrMalformed) || errors.Is(err, ssl.ErrNoMemory) ||
				!empty && err != nil {
				t.Errorf("empty: %t: %v", empty, err)
			}
		}
	})
}

// What comes after a bad staple is not blamed on it.
func TestStapleIsNotToBlame(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, _, cli *ssl.Config) {
		cli.RequestOCSPStaple, cli.ServerName = true, "elsewhere.test"
		std := ssltest.StdConfig(t, cli.MaxVersion)
		std.Certificates[0].OCSPStaple = []byte{1, 2, 3}
		c, p := ssltest.RawFor(t, ssltest.NewClientCtx(t, cli), std)
		go p.Handshake()
		if err := c.Handshake(); parsesNone() && (ssltest.VerifyCode(err) != ssltest.HostnameMismatch ||
			errors.Is(err, ssl.ErrMalformed)) {
			t.Error(err)
		}
	})
}

// An expired staple is not sent, and the next one is.
func TestExpiredStaple(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cert, good := ssltest.Stapled(t, "server-ecdsa"), ssltest.Staple(t, "server-ecdsa")
		srv.Certificates, cli.RequestOCSPStaple = []ssl.Certificate{cert}, true
		ssltest.Insecure(cli) // its certificate expires sooner
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		sent := func() []byte {
			p := ssltest.Meet(t, cctx, sctx, nil)
			defer p.CloseBoth()
			return p.Client.ConnectionState().OCSPResponse
		}
		// Its nextUpdate, by testdata/certs.sh: 36500 days after it was made.
		const until = "2126-11-01T11:15:38Z"
		end, err := time.Parse(time.RFC3339, until)
		if err != nil {
			t.Fatal(err)
		}
		clock := ssltest.NewClock(t)
		for _, c := range []struct {
			left time.Duration
			want []byte
		}{{time.Minute, good}, {-time.Minute, nil}} {
			passed := end.Add(-c.left).Sub(clock.Now())
			clock.Pass(passed)
			got := sent()
			clock.Pass(-passed)
			if !bytes.Equal(got, c.want) {
				t.Errorf("%v before its end: a staple of %d bytes, want %d", c.left, len(got), len(c.want))
			}
		}
		if got := sent(); !bytes.Equal(got, good) {
			t.Errorf("a staple of %d bytes", len(got))
		}
	})
}

func TestStapleIsForClients(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.RequestOCSPStaple = true
	if err := srv.CheckServer(); !errors.Is(err, ssl.ErrConfig) {
		t.Error(err)
	}
}
