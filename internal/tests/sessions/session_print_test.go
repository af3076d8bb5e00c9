package sessions_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// reveals reports whether text has the key in it, raw, in hexadecimal of either case, in
// Go's notation for bytes, or in part.
func reveals(text string, key []byte) bool {
	for _, part := range [][]byte{key, key[:8], key[len(key)-8:]} {
		for _, form := range []string{"%s", "%x", "%X", "%v", "% x", "%q", "%#v"} {
			if strings.Contains(text, strings.Trim(fmt.Sprintf(form, part), `"[]`)) {
				return true
			}
		}
	}
	return false
}

func TestReveals(t *testing.T) {
	leakcheck.Test(t)
	key := []byte("0123456789abcdef")
	for _, text := range []string{"<0123456789abcdef>", "30313233343536373839616263646566",
		"4142:30 31 32 33 34 35 36 37", "[1 48 49 50 51 52 53 54 55 9]", "89ABCDEF 3839616263646566"} {
		if !reveals(text, key) {
			t.Errorf("%q goes unnoticed", text)
		}
	}
	if reveals("Master-Key: xxxxxxxx", key) {
		t.Error("noticed where nothing is")
	}
}

func TestPrintRedacts(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := ssltest.Session(t, cli, srv)
		key := ssltest.Get(t, s.SecretMasterKey)
		var without, with bytes.Buffer
		if err := errors.Join(s.Print(&without), s.PrintWithSecrets(&with)); err != nil {
			t.Fatal(err)
		}
		if reveals(without.String(), key) {
			t.Error("Print shows the secret")
		}
		if !reveals(with.String(), key) {
			t.Errorf("PrintWithSecrets does not show the secret:\n%s", &with)
		}
		if without.Len() != with.Len() {
			t.Errorf("Print wrote %d bytes, PrintWithSecrets %d", without.Len(), with.Len())
		}
		_, cipher, _ := s.Cipher()
		for _, want := range []string{"SSL-Session:", cipher, "Timeout", fmt.Sprintf("%X", ssltest.Get(t, s.ID))} {
			if !strings.Contains(without.String(), want) {
				t.Errorf("Print lacks %q:\n%s", want, &without)
			}
		}
	})
}

func TestFormattingHidesSecrets(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := ssltest.Session(t, cli, srv)
		key := ssltest.Get(t, s.SecretMasterKey)
		check := func(what string, v any) {
			for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x", "%d"} {
				if text := fmt.Sprintf(verb, v); reveals(text, key) {
					t.Errorf("%s of %s reveals the key: %s", verb, what, text)
				}
			}
		}
		check("a Session", s)
		check("a struct with a Session", struct{ S *ssl.Session }{s})
		check("a map of Sessions", map[string]*ssl.Session{"a": s})
		for _, text := range []string{s.String(), s.GoString(), fmt.Sprint(s), fmt.Sprintf("%#v", s)} {
			if text != s.String() || !strings.HasPrefix(text, "ssl.Session(TLS 1.") || !strings.Contains(text,
				"resumable=true") {
				t.Errorf("it is shown as %q", text)
			}
		}
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		err := p.Client.WithSession(func(b *ssl.BorrowedSession) error {
			key = ssltest.Get(t, b.SecretMasterKey)
			check("a BorrowedSession", b)
			if fmt.Sprintf("%#v", b) != b.String() || !strings.HasPrefix(b.String(), "ssl.Session(TLS 1.") {
				t.Errorf("it is shown as %q and %#v", b, b)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestKeysOfConfigsAreHidden(t *testing.T) {
	leakcheck.Test(t)
	pair := ssltest.KeyPair(t, "server-ecdsa")
	cfg := ssltest.ServerConfig(t)
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		names := len(fmt.Sprintf(verb, ssl.Config{})) // of the fields
		for _, v := range []any{pair, &pair, cfg, *cfg} {
			text := fmt.Sprintf(verb, v)
			if len(text) > names+500 {
				t.Errorf("%s of a %T has %d bytes: the key may be among them", verb, v, len(text))
			}
		}
		if text := fmt.Sprintf(verb, cfg.Certificates); !strings.Contains(text, "localhost") &&
			!strings.Contains(text, "ssl.Certificate(") {
			t.Errorf("%s of certificates is %q", verb, text)
		}
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestPrintReportsTheWriter(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	for _, print := range []func(io.Writer) error{s.Print, s.PrintWithSecrets} {
		if err := print(brokenWriter{io.ErrShortWrite}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%v, want the writer's error", err)
		}
		ssltest.Refuses(t, "print to nil", print(nil), ssl.ErrNil)
	}
}

func TestKeyLogLine(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	want := fmt.Sprintf("RSA Session-ID:%X Master-Key:%X", "session id", ssltest.Secret)
	if got := strings.TrimSpace(ssltest.Get(t, s.SecretKeyLogLine)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if err := s.SetID(nil); err != nil {
		t.Fatal(err)
	}
	_, err := s.SecretKeyLogLine()
	ssltest.Refuses(t, "without an id", err, ssl.ErrNotResumable)
}
