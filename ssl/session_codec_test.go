package ssl_test

import (
	"bytes"
	"encoding"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

const pemType = "SSL SESSION PARAMETERS"

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
			string(get(t, s.ID)), string(get(t, s.IDContext)), string(get(t, s.SecretMasterKey)), string(get(t, s.Ticket)),
			string(get(t, s.PeerCertificateDER)), string(get(t, s.TicketAppData)),
			get(t, s.ProtocolVersion), id, name, get(t, s.Hostname), get(t, s.ALPN),
			get(t, s.Time).Unix(), get(t, s.Timeout), get(t, s.TicketLifetimeHint), get(t, s.MaxEarlyData),
			get(t, s.MaxFragmentLength), get(t, s.HasTicket), get(t, s.Resumable),
		}
	}
	if x, y := read(a), read(b); x != y {
		t.Errorf("the fields differ:\n%+v\n%+v", x, y)
	}
}

// roundTrips fails t unless s comes back from DER and PEM as it was.
func roundTrips(t *testing.T, s *ssl.Session) {
	t.Helper()
	der, text := marshal(t, s), marshalPEM(t, s)
	fromDER, err := ssl.ParseSession(der)
	fromPEM, err2 := ssl.ParseSessionPEM(text)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	defer fromDER.Close()
	defer fromPEM.Close()
	for _, back := range []*ssl.Session{fromDER, fromPEM} {
		sameFields(t, s, back)
		if !bytes.Equal(marshal(t, back), der) || !bytes.Equal(marshalPEM(t, back), text) {
			t.Error("what came back is encoded differently")
		}
		if back.Same(s) {
			t.Error("what came back is the same object")
		}
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(rest) != 0 || !bytes.Equal(block.Bytes, der) {
		t.Errorf("the PEM block is not the DER: %.60q", text)
	}
}

func TestRoundTripOfFilledSessions(t *testing.T) {
	leakcheck.Test(t)
	for _, v := range versions {
		s := filled(t, v)
		roundTrips(t, s)
		if err := errors.Join(s.SetALPN("h2"), s.SetTicketAppData([]byte("app\x00data")), s.SetMaxEarlyData(1<<31),
			s.SetTime(time.Unix(1<<32, 0)), s.SetTimeout(time.Hour)); err != nil {
			t.Fatal(err)
		}
		roundTrips(t, s)
	}
}

func TestRoundTripOfRealSessions(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		client, server := sessionOf(t, p.client), sessionOf(t, p.server)
		roundTrips(t, client)
		roundTrips(t, server)
		if get(t, client.ProtocolVersion) != fm.version {
			t.Errorf("version %#x", get(t, client.ProtocolVersion))
		}
		cert, err := client.PeerCertificate()
		if err != nil || cert == nil || cert.VerifyHostname("localhost") != nil {
			t.Errorf("peer certificate: %v, %v", cert, err)
		}
		if n := len(get(t, client.SecretMasterKey)); n != 48 && fm.version == ssl.VersionTLS12 || n == 0 {
			t.Errorf("the master key has %d bytes", n)
		}
		if want := fm.version == ssl.VersionTLS13 || fm.tickets; get(t, client.HasTicket) != want || (get(t, client.Ticket) != nil) != want {
			t.Errorf("has a ticket: %t, want %t", get(t, client.HasTicket), want)
		}
		if d := time.Since(get(t, client.Time)); d < 0 || d > ioTimeout {
			t.Errorf("made %s ago", d)
		}
	})
}

// What DER does not carry.
func TestEncodingLoses(t *testing.T) {
	leakcheck.Test(t)
	s := filled(t, ssl.VersionTLS12)
	if err := errors.Join(s.SetTimeout(0), s.SetTime(time.Unix(0, 0))); err != nil {
		t.Fatal(err)
	}
	if get(t, s.Timeout) != 0 || get(t, s.Time).Unix() != 0 {
		t.Error("zero is not kept before encoding")
	}
	before := time.Now().Add(-100 * time.Millisecond).Truncate(time.Second) // time(3) lags by up to a tick
	back := reparsed(t, s)
	if d := get(t, back.Timeout); d != 3*time.Second {
		t.Errorf("a timeout of zero became %s", d)
	}
	if at := get(t, back.Time); at.Before(before) || at.After(time.Now()) {
		t.Errorf("a time of zero became %s", at)
	}
}

func TestEncodingForgetsNotResumable(t *testing.T) {
	leakcheck.Test(t)
	ctx := newServerCtx(t, serverConfig(t))
	s := filled(t, ssl.VersionTLS12)
	if !get(t, s.Resumable) {
		t.Fatal("it is not resumable to begin with")
	}
	if _, err := ctx.RemoveSession(s); err != nil {
		t.Fatal(err)
	}
	d := get(t, s.Dup)
	defer d.Close()
	if get(t, s.Resumable) || get(t, d.Resumable) {
		t.Error("still resumable after RemoveSession, itself or its copy")
	}
	if !get(t, reparsed(t, s).Resumable) {
		t.Error("the mark travelled in DER")
	}
}

func TestPEMTakesTheFirstBlock(t *testing.T) {
	leakcheck.Test(t)
	a, b := filled(t, ssl.VersionTLS12), filled(t, ssl.VersionTLS12)
	if err := errors.Join(a.SetID([]byte("first")), b.SetID([]byte("second"))); err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}})
	text := bytes.Join([][]byte{[]byte("text before\n"), cert, marshalPEM(t, a), []byte("between\n"), marshalPEM(t, b), []byte("after")}, nil)
	s, err := ssl.ParseSessionPEM(text)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if string(get(t, s.ID)) != "first" {
		t.Errorf("id %q", get(t, s.ID))
	}
}
