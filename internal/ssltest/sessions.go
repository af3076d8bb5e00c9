package ssltest

import (
	"errors"
	"strings"
	"testing"

	"sessl/internal/cshim"
	"sessl/ssl"
)

// Session makes a connection and returns the newest session that the client got.
func Session(t testing.TB, cli, srv *ssl.Config) *ssl.Session {
	t.Helper()
	p := NewTCPPair(t, cli, srv)
	p.MustShake(t)
	p.Echo(t)
	s := SessionOf(t, p.Client)
	p.Client.Close()
	p.Server.Close()
	return s
}

// SessionOf is c.Session, closed with the test.
func SessionOf(t testing.TB, c *ssl.Conn) *ssl.Session {
	t.Helper()
	s, err := c.Session()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Resumable is s.Resumable.
func Resumable(t testing.TB, s *ssl.Session) bool {
	t.Helper()
	ok, err := s.Resumable()
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// Dup is a copy of s, closed with the test.
func Dup(t testing.TB, s *ssl.Session) *ssl.Session {
	t.Helper()
	d, err := s.Dup()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// Reparsed is s after a way through DER, which carries no stamp and no chain.
func Reparsed(t testing.TB, s *ssl.Session) *ssl.Session {
	t.Helper()
	der, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	d, err := ssl.ParseSession(der)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// FilledSession is a session as a handshake could have made it. The test closes it.
func FilledSession(t testing.TB, version uint16) *ssl.Session {
	t.Helper()
	s := MustNew(t)
	t.Cleanup(func() { s.Close() })
	cipher := uint16(0xC02B)
	if version == ssl.VersionTLS13 {
		cipher = 0x1301
	}
	for _, err := range []error{
		s.SetProtocolVersion(version), s.SetCipher(cipher), s.SetSecretMasterKey(Secret),
		s.SetID([]byte("session id")), s.SetIDContext([]byte("context")), s.SetHostname("host.test"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Refuses fails t unless err is want, in an *ssl.Error that names its operation.
func Refuses(t testing.TB, what string, err, want error) {
	t.Helper()
	var e *ssl.Error
	switch {
	case !errors.Is(err, want):
		t.Errorf("%s: %v, want %v", what, err, want)
	case !errors.As(err, &e) || e.Op == "":
		t.Errorf("%s: %#v is not an *ssl.Error with an operation", what, err)
	}
}

// Marshal is the DER of s.
func Marshal(t testing.TB, s *ssl.Session) []byte {
	t.Helper()
	der, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// MarshalPEM is s as PEM.
func MarshalPEM(t testing.TB, s *ssl.Session) []byte {
	t.Helper()
	text, err := s.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Get is the value of a getter that must not fail.
func Get[V any](t testing.TB, f func() (V, error)) V {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// HasID: a TLS 1.2 server that has put the session into a ticket keeps no id for it.
func HasID(fm Form) bool { return fm.Version == ssl.VersionTLS13 || !fm.Tickets }

// LibraryRelease is "1.1.1" or "3.0" of "OpenSSL 3.0.19 27 Jan 2026".
func LibraryRelease() string {
	v := strings.Fields(cshim.Version())[1]
	if strings.HasPrefix(v, "1.1.1") {
		return "1.1.1"
	}
	return strings.Join(strings.Split(v, ".")[:2], ".")
}

// UnknownTo is what a server says of a client whose session it does not know: the id of TLS 1.2
// could be one that was made up.
func UnknownTo(client *ssl.Config) ssl.ReuseState {
	if client.MaxVersion == ssl.VersionTLS12 {
		return ssl.ReuseNoSession
	}
	return ssl.ReuseDeclined
}

// PEMType is the type of a block with a session.
const PEMType = "SSL SESSION PARAMETERS"

// Secret is the master key of filled sessions: found wherever it leaks.
var Secret = []byte("a master key of 48 bytes that nobody may ever se")
