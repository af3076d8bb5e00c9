package ssl_test

import (
	"bytes"
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// secret is the master key of filled sessions: found wherever it leaks.
var secret = []byte("a master key of 48 bytes that nobody may ever se")

// filled is a session as a handshake could have made it. The test closes it.
func filled(t testing.TB, version uint16) *ssl.Session {
	t.Helper()
	s := mustNew(t)
	t.Cleanup(func() { s.Close() })
	cipher := uint16(0xC02B)
	if version == ssl.VersionTLS13 {
		cipher = 0x1301
	}
	for _, err := range []error{
		s.SetProtocolVersion(version), s.SetCipher(cipher), s.SetSecretMasterKey(secret),
		s.SetID([]byte("session id")), s.SetIDContext([]byte("context")), s.SetHostname("host.test"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// isNilOr fails t on an error that is not the one allowed.
func isNilOr(t testing.TB, err, allowed error) {
	t.Helper()
	if err != nil && !errors.Is(err, allowed) {
		t.Errorf("%v, want nil or %v", err, allowed)
	}
}

// refuses fails t unless err is want, in an *ssl.Error that names its operation.
func refuses(t testing.TB, what string, err, want error) {
	t.Helper()
	var e *ssl.Error
	switch {
	case !errors.Is(err, want):
		t.Errorf("%s: %v, want %v", what, err, want)
	case !errors.As(err, &e) || e.Op == "":
		t.Errorf("%s: %#v is not an *ssl.Error with an operation", what, err)
	}
}

func marshal(t testing.TB, s *ssl.Session) []byte {
	t.Helper()
	der, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func marshalPEM(t testing.TB, s *ssl.Session) []byte {
	t.Helper()
	text, err := s.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// get is the value of a getter that must not fail.
func get[V any](t testing.TB, f func() (V, error)) V {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNewSessionIsEmpty(t *testing.T) {
	leakcheck.Test(t)
	s := mustNew(t)
	defer s.Close()
	if v := get(t, s.ProtocolVersion); v != 0 {
		t.Errorf("version %#x", v)
	}
	if id, name, err := s.Cipher(); id != 0 || name != "" || err != nil {
		t.Errorf("cipher %#x %q %v", id, name, err)
	}
	for what, b := range map[string][]byte{
		"id": get(t, s.ID), "id context": get(t, s.IDContext), "master key": get(t, s.SecretMasterKey),
		"ticket": get(t, s.Ticket), "appdata": get(t, s.TicketAppData), "peer": get(t, s.PeerCertificateDER),
	} {
		if len(b) != 0 {
			t.Errorf("%s %x", what, b)
		}
	}
	if get(t, s.Hostname) != "" || get(t, s.ALPN) != "" || get(t, s.HasTicket) || get(t, s.Resumable) {
		t.Error("it has a name, a protocol or a ticket, or is resumable")
	}
	if get(t, s.TicketLifetimeHint) != 0 || get(t, s.MaxEarlyData) != 0 || get(t, s.MaxFragmentLength) != 0 || get(t, s.CompressID) != 0 {
		t.Error("a number is not zero")
	}
	if c, err := s.PeerCertificate(); c != nil || err != nil {
		t.Errorf("peer %v, %v", c, err)
	}
	_, err := s.MarshalBinary()
	refuses(t, "MarshalBinary", err, ssl.ErrNotSerializable)
	_, err = s.MarshalPEM()
	refuses(t, "MarshalPEM", err, ssl.ErrNotSerializable)
	_, err = s.SecretKeyLogLine()
	refuses(t, "SecretKeyLogLine", err, ssl.ErrNotResumable)
}

func TestUpRefIsTheSameObject(t *testing.T) {
	leakcheck.Test(t)
	s := filled(t, ssl.VersionTLS12)
	u := get(t, s.UpRef)
	if !s.Same(u) || !u.Same(s) || !s.Same(s) {
		t.Error("UpRef gave another object")
	}
	if err := u.SetMaxEarlyData(7); err != nil {
		t.Fatal(err)
	}
	if get(t, s.MaxEarlyData) != 7 {
		t.Error("what one handle sets the other does not see")
	}
	s.Close()
	if s.Same(u) || u.Same(s) || s.Same(s) {
		t.Error("a closed handle is the same as something")
	}
	if !bytes.Equal(get(t, u.SecretMasterKey), secret) {
		t.Error("closing one handle hurt the other")
	}
	u.Close()
}

func TestDupIsAnotherObject(t *testing.T) {
	leakcheck.Test(t)
	s := filled(t, ssl.VersionTLS12)
	d := get(t, s.Dup)
	defer d.Close()
	if s.Same(d) {
		t.Error("Dup gave the same object")
	}
	if !bytes.Equal(marshal(t, s), marshal(t, d)) {
		t.Error("the copy is encoded differently")
	}
	if err := d.SetID([]byte("other")); err != nil {
		t.Fatal(err)
	}
	if string(get(t, s.ID)) != "session id" {
		t.Error("the copy's id is the original's too")
	}
	s.Close()
	if string(get(t, d.ID)) != "other" || !bytes.Equal(get(t, d.SecretMasterKey), secret) {
		t.Error("the copy did not survive the original")
	}
}

func TestSameOfNilIsFalse(t *testing.T) {
	leakcheck.Test(t)
	s := mustNew(t)
	defer s.Close()
	var none *ssl.Session
	if s.Same(nil) || none.Same(s) || none.Same(nil) {
		t.Error("nil is the same as something")
	}
}

func TestCloseIsIdempotent(t *testing.T) {
	leakcheck.Test(t)
	before := ssl.ReadCounters()
	s := mustNew(t)
	for range 3 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	var none *ssl.Session
	if err := none.Close(); err != nil {
		t.Errorf("Close of nil: %v", err)
	}
	now := ssl.ReadCounters()
	if now.Sessions.Closed-before.Sessions.Closed != 1 || now.SessionObjectsFreed-before.SessionObjectsFreed != 1 {
		t.Errorf("three Closes: %+v, then %+v", before, now)
	}
}

func TestGettersReturnCopies(t *testing.T) {
	leakcheck.Test(t)
	s := filled(t, ssl.VersionTLS12)
	for name, f := range map[string]func() ([]byte, error){
		"ID": s.ID, "IDContext": s.IDContext, "SecretMasterKey": s.SecretMasterKey, "MarshalBinary": s.MarshalBinary,
	} {
		want := bytes.Clone(get(t, f))
		clear(get(t, f))
		if !bytes.Equal(get(t, f), want) {
			t.Errorf("%s: writing to the result changed the session", name)
		}
	}
}
