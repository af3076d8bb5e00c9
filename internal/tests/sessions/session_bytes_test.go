package sessions_test

import (
	"bytes"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Every setter of bytes, with its getter, at its limits.
func TestByteFields(t *testing.T) {
	asString := func(set func(string) error) func([]byte) error {
		return func(b []byte) error { return set(string(b)) }
	}
	asBytes := func(get func() (string, error)) func() ([]byte, error) {
		return func() ([]byte, error) { s, err := get(); return []byte(s), err }
	}
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS13)
	for _, f := range []struct {
		name  string
		set   func([]byte) error
		get   func() ([]byte, error)
		limit int
	}{
		{"ID", s.SetID, s.ID, 32},
		{"IDContext", s.SetIDContext, s.IDContext, 32},
		{"Hostname", asString(s.SetHostname), asBytes(s.Hostname), 255},
		{"ALPN", asString(s.SetALPN), asBytes(s.ALPN), 255},
		{"TicketAppData", s.SetTicketAppData, s.TicketAppData, 1 << 15},
	} {
		t.Run(f.name, func(t *testing.T) {
			leakcheck.Test(t)
			var last []byte
			for _, n := range []int{1, f.limit, 2, 0, f.limit - 1} {
				want := bytes.Repeat([]byte{'x'}, n)
				if err := f.set(want); err != nil {
					t.Errorf("%d bytes: %v", n, err)
				}
				if got := ssltest.Get(t, f.get); !bytes.Equal(got, want) {
					t.Errorf("%d bytes came back as %d", n, len(got))
				}
				last = want
			}
			for _, n := range []int{f.limit + 1, f.limit * 2, 1 << 20} {
				ssltest.Refuses(t, "too long", f.set(bytes.Repeat([]byte{'y'}, n)), ssl.ErrTooLarge)
				if got := ssltest.Get(t, f.get); !bytes.Equal(got, last) {
					t.Errorf("a refused value of %d bytes changed the old one", n)
				}
			}
			if err := f.set(nil); err != nil || len(ssltest.Get(t, f.get)) != 0 {
				t.Errorf("nil does not clear: %v", err)
			}
		})
	}
}

func TestNULBytes(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	for _, name := range []string{"\x00", "a\x00b", "host.test\x00"} {
		ssltest.Refuses(t, "hostname with NUL", s.SetHostname(name), ssl.ErrMalformed)
		if ssltest.Get(t, s.Hostname) != "host.test" {
			t.Error("a refused name changed the old one")
		}
		if err := s.SetALPN(name); err != nil || ssltest.Get(t, s.ALPN) != name {
			t.Errorf("ALPN %q: %v, is %q", name, err, ssltest.Get(t, s.ALPN))
		}
		if err := s.SetID([]byte(name)); err != nil || string(ssltest.Get(t, s.ID)) != name {
			t.Errorf("id %q: %v", name, err)
		}
		if err := s.SetTicketAppData([]byte(name)); err != nil || string(ssltest.Get(t, s.TicketAppData)) != name {
			t.Errorf("appdata %q: %v", name, err)
		}
	}
	ssltest.Refuses(t, "a long hostname", s.SetHostname(strings.Repeat("a", 256)), ssl.ErrTooLarge)
	if ssltest.Get(t, s.Hostname) != "host.test" {
		t.Error("a refused name changed the old one")
	}
}

func TestMasterKey(t *testing.T) {
	leakcheck.Test(t)
	for version, most := range map[uint16]int{ssl.VersionTLS12: 48, ssl.VersionTLS13: 256} {
		s := ssltest.FilledSession(t, version)
		for _, n := range []int{1, 32, most, 0} {
			key := bytes.Repeat([]byte{7}, n)
			if err := s.SetSecretMasterKey(key); err != nil || !bytes.Equal(ssltest.Get(t, s.SecretMasterKey), key) {
				t.Errorf("%s, %d bytes: %v, then %d", ssl.VersionName(version), n, err,
					len(ssltest.Get(t, s.SecretMasterKey)))
			}
		}
		if err := s.SetSecretMasterKey(ssltest.Secret); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{513, 1 << 20} {
			ssltest.Refuses(t, "a long master key", s.SetSecretMasterKey(make([]byte, n)), ssl.ErrTooLarge)
		}
		if !bytes.Equal(ssltest.Get(t, s.SecretMasterKey), ssltest.Secret) {
			t.Error("a refused key changed the old one")
		}
	}
}

// What a setter was given can be changed afterwards.
func TestSettersCopy(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	b := []byte("mine to change")
	for _, set := range []func([]byte) error{s.SetID, s.SetIDContext, s.SetTicketAppData, s.SetSecretMasterKey} {
		if err := set(b); err != nil {
			t.Fatal(err)
		}
	}
	want := bytes.Clone(b)
	clear(b)
	for _, g := range []func() ([]byte, error){s.ID, s.IDContext, s.TicketAppData, s.SecretMasterKey} {
		if got := ssltest.Get(t, g); !bytes.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
