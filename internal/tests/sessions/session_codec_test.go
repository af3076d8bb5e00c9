package sessions_test

import (
	"bytes"
	"encoding"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var _ encoding.BinaryMarshaler = (*ssl.Session)(nil)

// sameFields fails t unless a and b agree in all that DER carries.
func sameFields(t *testing.T, a, b *ssl.Session) {
	t.Helper()
	type fields struct {
		id, ctx, key, ticket, peer, appdata string
		version, cipher                     uint16
		cipherName, host, alpn              string
		at                                  int64
		timeout, hint                       time.Duration
		early                               uint32
		fragment                            int
		hasTicket, resumable                bool
	}
	read := func(s *ssl.Session) fields {
		id, name, err := s.Cipher()
		if err != nil {
			t.Fatal(err)
		}
		return fields{
			string(ssltest.Get(t, s.ID)), string(ssltest.Get(t, s.IDContext)),
			string(ssltest.Get(t, s.SecretMasterKey)), string(ssltest.Get(t, s.Ticket)),
			string(ssltest.Get(t, s.PeerCertificateDER)), string(ssltest.Get(t, s.TicketAppData)),
			ssltest.Get(t, s.ProtocolVersion), id, name, ssltest.Get(t, s.Hostname), ssltest.Get(t, s.ALPN),
			ssltest.Get(t, s.Time).Unix(), ssltest.Get(t, s.Timeout), ssltest.Get(t, s.TicketLifetimeHint),
			ssltest.Get(t, s.MaxEarlyData),
			ssltest.Get(t, s.MaxFragmentLength), ssltest.Get(t, s.HasTicket), ssltest.Get(t, s.Resumable),
		}
	}
	if x, y := read(a), read(b); x != y {
		t.Errorf("the fields differ:\n%+v\n%+v", x, y)
	}
}

// roundTrips fails t unless s comes back from DER and PEM as it was.
func roundTrips(t *testing.T, s *ssl.Session) {
	t.Helper()
	der, text := ssltest.Marshal(t, s), ssltest.MarshalPEM(t, s)
	fromDER, err := ssl.ParseSession(der)
	fromPEM, err2 := ssl.ParseSessionPEM(text)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	defer fromDER.Close()
	defer fromPEM.Close()
	for _, back := range []*ssl.Session{fromDER, fromPEM} {
		sameFields(t, s, back)
		if !bytes.Equal(ssltest.Marshal(t, back), der) || !bytes.Equal(ssltest.MarshalPEM(t, back), text) {
			t.Error("what came back is encoded differently")
		}
		if back.Same(s) {
			t.Error("what came back is the same object")
		}
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != ssltest.PEMType || len(rest) != 0 || !bytes.Equal(block.Bytes, der) {
		t.Errorf("the PEM block is not the DER: %.60q", text)
	}
}

func TestRoundTripOfFilledSessions(t *testing.T) {
	leakcheck.Test(t)
	for _, v := range ssltest.Versions {
		s := ssltest.FilledSession(t, v)
		roundTrips(t, s)
		if err := errors.Join(s.SetALPN("h2"), s.SetTicketAppData([]byte("app\x00data")), s.SetMaxEarlyData(1<<31),
			s.SetTime(time.Unix(1<<32, 0)), s.SetTimeout(time.Hour)); err != nil {
			t.Fatal(err)
		}
		roundTrips(t, s)
	}
}

func TestRoundTripOfRealSessions(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		client, server := ssltest.SessionOf(t, p.Client), ssltest.SessionOf(t, p.Server)
		roundTrips(t, client)
		roundTrips(t, server)
		if ssltest.Get(t, client.ProtocolVersion) != fm.Version {
			t.Errorf("version %#x", ssltest.Get(t, client.ProtocolVersion))
		}
		cert, err := client.PeerCertificate()
		if err != nil || cert == nil || cert.VerifyHostname("localhost") != nil {
			t.Errorf("peer certificate: %v, %v", cert, err)
		}
		if n := len(ssltest.Get(t, client.SecretMasterKey)); n != 48 && fm.Version == ssl.VersionTLS12 || n == 0 {
			t.Errorf("the master key has %d bytes", n)
		}
		if want := fm.Version == ssl.VersionTLS13 || fm.Tickets; ssltest.Get(t, client.HasTicket) != want ||
			(ssltest.Get(t, client.Ticket) != nil) != want {
			t.Errorf("has a ticket: %t, want %t", ssltest.Get(t, client.HasTicket), want)
		}
		if d := time.Since(ssltest.Get(t, client.Time)); d < 0 || d > ssltest.Timeout {
			t.Errorf("made %s ago", d)
		}
	})
}

// What DER does not carry.
func TestEncodingLoses(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	if err := errors.Join(s.SetTimeout(0), s.SetTime(time.Unix(0, 0))); err != nil {
		t.Fatal(err)
	}
	if ssltest.Get(t, s.Timeout) != 0 || ssltest.Get(t, s.Time).Unix() != 0 {
		t.Error("zero is not kept before encoding")
	}
	before := time.Now().Add(-100 * time.Millisecond).Truncate(time.Second) // time(3) lags by up to a tick
	back := ssltest.Reparsed(t, s)
	if d := ssltest.Get(t, back.Timeout); d != 3*time.Second {
		t.Errorf("a timeout of zero became %s", d)
	}
	if at := ssltest.Get(t, back.Time); at.Before(before) || at.After(time.Now()) {
		t.Errorf("a time of zero became %s", at)
	}
}

func TestEncodingForgetsNotResumable(t *testing.T) {
	leakcheck.Test(t)
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	if !ssltest.Get(t, s.Resumable) {
		t.Fatal("it is not resumable to begin with")
	}
	if _, err := ctx.RemoveSession(s); err != nil {
		t.Fatal(err)
	}
	d := ssltest.Get(t, s.Dup)
	defer d.Close()
	if ssltest.Get(t, s.Resumable) || ssltest.Get(t, d.Resumable) {
		t.Error("still resumable after RemoveSession, itself or its copy")
	}
	if !ssltest.Get(t, ssltest.Reparsed(t, s).Resumable) {
		t.Error("the mark travelled in DER")
	}
}

func TestPEMTakesTheFirstBlock(t *testing.T) {
	leakcheck.Test(t)
	a, b := ssltest.FilledSession(t, ssl.VersionTLS12), ssltest.FilledSession(t, ssl.VersionTLS12)
	if err := errors.Join(a.SetID([]byte("first")), b.SetID([]byte("second"))); err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}})
	text := bytes.Join([][]byte{[]byte("text before\n"), cert, ssltest.MarshalPEM(t, a), []byte("between\n"),
		ssltest.MarshalPEM(t, b), []byte("after")}, nil)
	s, err := ssl.ParseSessionPEM(text)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if string(ssltest.Get(t, s.ID)) != "first" {
		t.Errorf("id %q", ssltest.Get(t, s.ID))
	}
}
