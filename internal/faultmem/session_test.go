package faultmem_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sessl/internal/cshim"
	"sessl/internal/faultmem"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

func TestInstalled(t *testing.T) {
	leakcheck.Test(t)
	if !faultmem.Installed() {
		t.Fatal("CRYPTO_set_mem_functions came too late: libcrypto had allocated before")
	}
	warmUp(t)
	res := faultmem.Run(1, faultmem.Lasting, func() {
		if s, err := ssl.NewSession(); err == nil {
			s.Close()
			t.Error("a session was made without memory")
		}
	})
	if !res.Failed || faultmem.Failed() {
		t.Error("the failure was not noticed, or is told after its run")
	}
	var s *ssl.Session
	res = faultmem.Run(0, faultmem.Once, func() { s, _ = ssl.NewSession() })
	if res.Failed || res.Made == 0 || len(res.Left()) == 0 {
		t.Errorf("a live session's run: %+v, left %v", res, res.Left())
	}
	s.Close()
	if left := res.Left(); len(left) > 0 {
		t.Errorf("left of a closed session: %v", left)
	}
}

// sample returns a session of a real handshake with all the fields that a session can have.
func sample(t *testing.T, version uint16) *ssl.Session {
	t.Helper()
	l := newLink(t, version, setup{})
	s := l.session(t)
	t.Cleanup(func() { s.Close() })
	d, err := s.Dup()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	for _, err := range []error{d.SetHostname("sample.test"), d.SetALPN("h2"),
		d.SetTicketAppData([]byte("data"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

var index = ssl.NewSessionIndex()

func TestSessionOutOfMemory(t *testing.T) {
	src := sample(t, ssl.VersionTLS13)
	if err := src.SetExData(index, "value"); err != nil {
		t.Fatal(err)
	}
	der, err := src.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	pem, err := src.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	var text, secrets bytes.Buffer
	if err := errors.Join(src.Print(&text), src.PrintWithSecrets(&secrets)); err != nil {
		t.Fatal(err)
	}
	leaf, err := src.PeerCertificateDER()
	if err != nil || len(leaf) == 0 {
		t.Fatal(leaf, err)
	}
	same := func(s *ssl.Session) error {
		got, err := s.MarshalBinary()
		if err != nil || !bytes.Equal(got, der) {
			return fmt.Errorf("the session is not the same: %v", err)
		}
		return nil
	}
	copied := func(s *ssl.Session) error {
		defer s.Close()
		return errors.Join(same(s), usable(s))
	}
	// each checks its result outside of the run.
	for _, c := range []struct {
		name string
		do   func() (check func() error, err error)
	}{
		{"NewSession", func() (func() error, error) {
			s, err := ssl.NewSession()
			return func() error { defer s.Close(); return usable(s) }, err
		}},
		{"ParseSession", func() (func() error, error) {
			s, err := ssl.ParseSession(der)
			return func() error { return copied(s) }, err
		}},
		{"ParseSessionPEM", func() (func() error, error) {
			s, err := ssl.ParseSessionPEM(pem)
			return func() error { return copied(s) }, err
		}},
		{"Session.Dup", func() (func() error, error) {
			s, err := src.Dup()
			return func() error {
				if v, err := s.ExData(index); v != "value" {
					return fmt.Errorf("the copy's ExData is %v, %v", v, errors.Join(err, s.Close()))
				}
				return copied(s)
			}, err
		}},
		{"Session.UpRef", func() (func() error, error) {
			s, err := src.UpRef()
			return func() error { defer s.Close(); return same(s) }, err
		}},
		{"Session.MarshalBinary", bytesOf(src.MarshalBinary, der)},
		{"Session.MarshalPEM", bytesOf(src.MarshalPEM, pem)},
		{"Session.PeerCertificateDER", bytesOf(src.PeerCertificateDER, leaf)},
		{"Session.Print", bytesOf(func() ([]byte, error) {
			var b bytes.Buffer
			err := src.Print(&b)
			return b.Bytes(), err
		}, text.Bytes())},
		{"Session.PrintWithSecrets", bytesOf(func() ([]byte, error) {
			var b bytes.Buffer
			err := src.PrintWithSecrets(&b)
			return b.Bytes(), err
		}, secrets.Bytes())},
	} {
		t.Run(c.name, func(t *testing.T) {
			leakcheck.Test(t)
			sweepOne(t, c.name, c.do)
		})
	}
}

// sweepOne is sweep for one operation, whose result is checked with all memory.
func sweepOne(t *testing.T, name string, do func() (func() error, error)) {
	t.Helper()
	every(t, func(op func(string)) (err, wrong error) {
		op(name)
		check, err := do()
		if err != nil {
			return err, nil
		}
		wrong = faultmem.Aside(check)
		return nil, wrong
	})
}

// bytesOf checks a result that must be complete or missing.
func bytesOf(f func() ([]byte, error), want []byte) func() (func() error, error) {
	return func() (func() error, error) {
		got, err := f()
		return func() error {
			// OpenSSL 1.1.1 does not check whether BIO_dump_indent could write the ticket.
			short := strings.HasPrefix(cshim.Version(), "OpenSSL 1.1.1") && faultmem.Failed() &&
				bytes.HasPrefix(got, []byte("SSL-Session:")) && len(got) < len(want)
			if !bytes.Equal(got, want) && !short {
				return fmt.Errorf("%d of %d bytes, without an error: %q", len(got), len(want), got)
			}
			return nil
		}, err
	}
}

// usable fails for a session that exists but cannot be used.
func usable(s *ssl.Session) error {
	if err := s.SetTimeout(time.Minute); err != nil {
		return err
	}
	return s.SetExData(index, "another")
}

// A setter leaves the old value, the new one, or none.
func TestSettersOutOfMemory(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 200)
	for _, c := range []struct {
		name string
		set  func(*ssl.Session) error
		get  func(*ssl.Session) string
		want string
	}{
		{"SetID", func(s *ssl.Session) error { return s.SetID(long[:32]) },
			func(s *ssl.Session) string { b, _ := s.ID(); return string(b) }, string(long[:32])},
		{"SetIDContext", func(s *ssl.Session) error { return s.SetIDContext(long[:20]) },
			func(s *ssl.Session) string { b, _ := s.IDContext(); return string(b) }, string(long[:20])},
		{"SetHostname", func(s *ssl.Session) error { return s.SetHostname(string(long)) },
			func(s *ssl.Session) string { h, _ := s.Hostname(); return h }, string(long)},
		{"SetALPN", func(s *ssl.Session) error { return s.SetALPN(string(long)) },
			func(s *ssl.Session) string { p, _ := s.ALPN(); return p }, string(long)},
		{"SetTicketAppData", func(s *ssl.Session) error { return s.SetTicketAppData(long) },
			func(s *ssl.Session) string { b, _ := s.TicketAppData(); return string(b) }, string(long)},
		{"SetSecretMasterKey", func(s *ssl.Session) error { return s.SetSecretMasterKey(long[:48]) },
			func(s *ssl.Session) string { b, _ := s.SecretMasterKey(); return string(b) }, string(long[:48])},
		{"SetProtocolVersion", func(s *ssl.Session) error { return s.SetProtocolVersion(ssl.VersionTLS12) },
			func(s *ssl.Session) string { v, _ := s.ProtocolVersion(); return ssl.VersionName(v) }, "TLS 1.2"},
		{"SetCipher", func(s *ssl.Session) error { return s.SetCipher(0xC02F) },
			func(s *ssl.Session) string { _, n, _ := s.Cipher(); return n }, "ECDHE-RSA-AES128-GCM-SHA256"},
		{"SetTime", func(s *ssl.Session) error { return s.SetTime(time.Unix(1e9, 0)) },
			func(s *ssl.Session) string { at, _ := s.Time(); return fmt.Sprint(at.Unix()) }, "1000000000"},
		{"SetTimeout", func(s *ssl.Session) error { return s.SetTimeout(time.Hour) },
			func(s *ssl.Session) string { d, _ := s.Timeout(); return d.String() }, "1h0m0s"},
		{"SetMaxEarlyData", func(s *ssl.Session) error { return s.SetMaxEarlyData(7) },
			func(s *ssl.Session) string { n, _ := s.MaxEarlyData(); return fmt.Sprint(n) }, "7"},
		{"SetExData", func(s *ssl.Session) error { return s.SetExData(index, "v") },
			func(s *ssl.Session) string { v, _ := s.ExData(index); return fmt.Sprint(v) }, "v"},
	} {
		t.Run(c.name, func(t *testing.T) {
			leakcheck.Test(t)
			fresh := sample(t, ssl.VersionTLS13)
			every(t, func(op func(string)) (err, wrong error) {
				var s *ssl.Session
				faultmem.Aside(func() error { s, err = fresh.Dup(); return err })
				if err != nil {
					return nil, err
				}
				defer s.Close()
				op(c.name)
				old := c.get(s)
				err = c.set(s)
				switch now := c.get(s); {
				case err == nil && now != c.want:
					wrong = fmt.Errorf("set without an error, but the value is %q", now)
				case err == nil && c.name == "SetSecretMasterKey" && faultmem.Failed():
					// Its only allocations are for forgetting the owner of the old key.
					wrong = errors.New("the session may still count as verified")
				case err != nil && now != old && now != "" && now != "<nil>":
					wrong = fmt.Errorf("neither old nor new: %q", now)
				}
				return err, wrong
			})
		})
	}
}
