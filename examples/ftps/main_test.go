package main

import (
	"context"
	"errors"
	"net/textproto"
	"os"
	"path/filepath"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// TestCommandLine puts a file and gets it back, in both modes, as main does.
func TestCommandLine(t *testing.T) {
	for _, implicit := range []bool{false, true} {
		t.Run(modeName(implicit), func(t *testing.T) {
			leakcheck.Test(t)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			s := startVsftpd(t, implicit)
			dir := t.TempDir()
			from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
			if err := os.WriteFile(from, payload, 0o600); err != nil {
				t.Fatal(err)
			}
			o := options{addr: s.addr, user: "anonymous", ca: ssltest.CertFile("ca.pem"), implicit: implicit}
			for _, o.args = range [][]string{{"put", from, "file"}, {"get", "file", to}} {
				if err := run(ctx, o, s.pass); err != nil {
					t.Fatal(o.args, err)
				}
			}
			if got, err := os.ReadFile(to); err != nil || string(got) != string(payload) {
				t.Errorf("got %d bytes back, %v; want the %d that were put", len(got), err, len(payload))
			}

			o.noReuse = true
			o.args = []string{"get", "file", to}
			if err := run(ctx, o, s.pass); !refused(err) {
				t.Errorf("with -no-reuse: %v, want a refusal", err)
			}
			o.ca = ssltest.CertFile("other-ca.pem")
			if err := run(ctx, o, s.pass); err == nil {
				t.Error("a server of an unknown root was taken")
			}
		})
	}
}

func TestCommandLineRefusesNonsense(t *testing.T) {
	leakcheck.Test(t)
	for _, args := range [][]string{nil, {"get", "one"}, {"mget", "a", "b"}} {
		if err := run(t.Context(), options{addr: "127.0.0.1:0", args: args}, ""); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

// refused reports whether err is vsftpd's answer to a data connection that did not reuse the
// session.
func refused(err error) bool {
	var e *textproto.Error
	return errors.As(err, &e) && e.Code == 522
}

func modeName(implicit bool) string {
	if implicit {
		return "implicit"
	}
	return "explicit"
}
