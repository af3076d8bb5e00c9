package sessions_test

import (
	"bytes"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestNewSessionIsEmpty(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.MustNew(t)
	defer s.Close()
	if v := ssltest.Get(t, s.ProtocolVersion); v != 0 {
		t.Errorf("version %#x", v)
	}
	if id, name, err := s.Cipher(); id != 0 || name != "" || err != nil {
		t.Errorf("cipher %#x %q %v", id, name, err)
	}
	for what, b := range map[string][]byte{
		"id": ssltest.Get(t, s.ID), "id context": ssltest.Get(t, s.IDContext), "master key": ssltest.Get(t,
			s.SecretMasterKey),
		"ticket": ssltest.Get(t, s.Ticket), "appdata": ssltest.Get(t, s.TicketAppData),
		"peer": ssltest.Get(t, s.PeerCertificateDER),
	} {
		if len(b) != 0 {
			t.Errorf("%s %x", what, b)
		}
	}
	if ssltest.Get(t, s.Hostname) != "" || ssltest.Get(t, s.ALPN) != "" || ssltest.Get(t, s.HasTicket) ||
		ssltest.Get(t, s.Resumable) {
		t.Error("it has a name, a protocol or a ticket, or is resumable")
	}
	if ssltest.Get(t, s.TicketLifetimeHint) != 0 || ssltest.Get(t, s.MaxEarlyData) != 0 ||
		ssltest.Get(t, s.MaxFragmentLength) != 0 || ssltest.Get(t, s.CompressID) != 0 {
		t.Error("a number is not zero")
	}
	if c, err := s.PeerCertificate(); c != nil || err != nil {
		t.Errorf("peer %v, %v", c, err)
	}
	_, err := s.MarshalBinary()
	ssltest.Refuses(t, "MarshalBinary", err, ssl.ErrNotSerializable)
	_, err = s.MarshalPEM()
	ssltest.Refuses(t, "MarshalPEM", err, ssl.ErrNotSerializable)
	_, err = s.SecretKeyLogLine()
	ssltest.Refuses(t, "SecretKeyLogLine", err, ssl.ErrNotResumable)
}

func TestUpRefIsTheSameObject(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	u := ssltest.Get(t, s.UpRef)
	if !s.Same(u) || !u.Same(s) || !s.Same(s) {
		t.Error("UpRef gave another object")
	}
	if err := u.SetMaxEarlyData(7); err != nil {
		t.Fatal(err)
	}
	if ssltest.Get(t, s.MaxEarlyData) != 7 {
		t.Error("what one handle sets the other does not see")
	}
	s.Close()
	if s.Same(u) || u.Same(s) || s.Same(s) {
		t.Error("a closed handle is the same as something")
	}
	if !bytes.Equal(ssltest.Get(t, u.SecretMasterKey), ssltest.Secret) {
		t.Error("closing one handle hurt the other")
	}
	u.Close()
}

func TestDupIsAnotherObject(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	d := ssltest.Get(t, s.Dup)
	defer d.Close()
	if s.Same(d) {
		t.Error("Dup gave the same object")
	}
	if !bytes.Equal(ssltest.Marshal(t, s), ssltest.Marshal(t, d)) {
		t.Error("the copy is encoded differently")
	}
	if err := d.SetID([]byte("other")); err != nil {
		t.Fatal(err)
	}
	if string(ssltest.Get(t, s.ID)) != "session id" {
		t.Error("the copy's id is the original's too")
	}
	s.Close()
	if string(ssltest.Get(t, d.ID)) != "other" || !bytes.Equal(ssltest.Get(t, d.SecretMasterKey),
		ssltest.Secret) {
		t.Error("the copy did not survive the original")
	}
}

func TestSameOfNilIsFalse(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.MustNew(t)
	defer s.Close()
	var none *ssl.Session
	if s.Same(nil) || none.Same(s) || none.Same(nil) {
		t.Error("nil is the same as something")
	}
}

func TestCloseIsIdempotent(t *testing.T) {
	leakcheck.Test(t)
	before := ssl.ReadCounters()
	s := ssltest.MustNew(t)
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
	if now.Sessions.Closed-before.Sessions.Closed != 1 ||
		now.SessionObjectsFreed-before.SessionObjectsFreed != 1 {
		t.Errorf("three Closes: %+v, then %+v", before, now)
	}
}

func TestGettersReturnCopies(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	for name, f := range map[string]func() ([]byte, error){
		"ID": s.ID, "IDContext": s.IDContext, "SecretMasterKey": s.SecretMasterKey,
		"MarshalBinary": s.MarshalBinary,
	} {
		want := bytes.Clone(ssltest.Get(t, f))
		clear(ssltest.Get(t, f))
		if !bytes.Equal(ssltest.Get(t, f), want) {
			t.Errorf("%s: writing to the result changed the session", name)
		}
	}
}
