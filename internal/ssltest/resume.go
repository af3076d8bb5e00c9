package ssltest

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"testing"

	"sessl/ssl"
)

// Attempt is what became of a session that was offered to a server.
type Attempt struct {
	Offered, Reused bool
	Client, Server  error
}

// TryWith offers s on a new connection.
func TryWith(t *testing.T, cli, srv *ssl.Ctx, s *ssl.Session) Attempt {
	t.Helper()
	a, b := TCPPipe(t)
	p := NewPair(t, cli, srv, a, b)
	if err := p.Client.SetSession(s); err != nil {
		t.Fatal(err)
	}
	var got Attempt
	got.Client, got.Server = p.Shake()
	got.Offered, got.Reused = p.Client.SessionOffered(), p.Client.SessionReused()
	if got.Client == nil && got.Server == nil {
		p.Echo(t)
		if got.Reused != p.Server.SessionReused() {
			t.Errorf("reused is %t here and %t there", got.Reused, !got.Reused)
		}
		if !p.Client.ConnectionState().Verified {
			t.Error("connected without verification")
		}
	}
	p.Client.Close()
	p.Server.Close()
	return got
}

// Try is TryWith for a fresh client.
func Try(t *testing.T, cli *ssl.Config, srv *ssl.Ctx, s *ssl.Session) Attempt {
	t.Helper()
	return TryWith(t, NewClientCtx(t, cli), srv, s)
}

// MadeWith makes a session between fresh clients of cli and a server that stays.
func MadeWith(t *testing.T, cli *ssl.Config, srv *ssl.Ctx) *ssl.Session {
	t.Helper()
	a, b := TCPPipe(t)
	p := NewPair(t, NewClientCtx(t, cli), srv, a, b)
	p.MustShake(t)
	p.Echo(t)
	s := SessionOf(t, p.Client)
	p.Client.Close()
	p.Server.Close()
	return s
}

// WantFull says that the session was not offered; the full handshake then ended with code.
func WantFull(t *testing.T, got Attempt, code int) {
	t.Helper()
	if got.Offered || got.Reused {
		t.Errorf("offered is %t, reused is %t", got.Offered, got.Reused)
	}
	if code == 0 && (got.Client != nil || got.Server != nil) || VerifyCode(got.Client) != code {
		t.Errorf("code %d, want %d: client %v, server %v", VerifyCode(got.Client), code, got.Client, got.Server)
	}
}

// WantResumed wants an attempt to have resumed.
func WantResumed(t *testing.T, got Attempt) {
	t.Helper()
	if !got.Offered || !got.Reused || got.Client != nil || got.Server != nil {
		t.Errorf("%+v", got)
	}
}

// ParsedCert is testdata/certs/NAME.pem.
func ParsedCert(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(CertFile(name + ".pem"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
