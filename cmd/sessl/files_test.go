package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// openSSLVersions has the flags of openssl s_client for each form.
var openSSLVersions = map[string]string{"TLS1.2-id": "-tls1_2",
	"TLS1.2-ticket": "-tls1_2", "TLS1.3": "-tls1_3"}

// A session that probe saves is read by openssl sess_id and resumed by s_client, as both ends
// report.
func TestSessionFileForOpenSSL(t *testing.T) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			s, addr := startServe(t)
			file := filepath.Join(t.TempDir(), "s.pem")
			probeJSON(t, exitOK, addr, append(fm.client, "-n", "1", "--session-out", file)...)

			id := finish(t, openssl(t, "sess_id", "-in", file, "-noout", "-text")).want(t, 0)
			if want := "Protocol  : TLSv" + fm.name[3:6]; !strings.Contains(id.out, want) {
				t.Errorf("openssl sess_id: no %q in\n%s", want, id.out)
			}
			c := finish(t, openssl(t, "s_client", "-connect", addr, openSSLVersions[fm.name], "-sess_in", file,
				"-CAfile", ssltest.CertFile("ca.pem")))
			if !strings.Contains(c.out, "\nReused, TLSv1") {
				t.Errorf("s_client did not resume:\n%s\n%s", c.out, c.errOut)
			}
			s.await(2, " resumed="+fm.how+" ")
		})
	}
}

// A session that s_client saves is read by inspect and resumed by probe, also after a
// conversion to DER.
func TestSessionFileOfOpenSSL(t *testing.T) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			s, addr := startServe(t)
			file := filepath.Join(t.TempDir(), "s.pem")
			args := []string{"s_client", "-connect", addr, openSSLVersions[fm.name], "-sess_out", file,
				"-CAfile", ssltest.CertFile("ca.pem")}
			if fm.how == howID {
				args = append(args, "-no_ticket")
			}
			cmd := openssl(t, args...)
			in, err := cmd.StdinPipe() // it reads the tickets while it waits for input
			if err != nil {
				t.Fatal(err)
			}
			c := start(t, cmd)
			if _, err := in.Write([]byte("ping\n")); err != nil {
				t.Fatal(err)
			}
			c.await(1, "ping")
			in.Close()
			<-c.ended

			var d description
			r := sessl(t, "inspect", "--json", file).want(t, exitOK)
			if err := json.Unmarshal([]byte(r.out), &d); err != nil {
				t.Fatal(err)
			}
			if d.Protocol != "TLS "+fm.name[3:6] || !d.Resumable || (d.Ticket != nil) != fm.lifetime {
				t.Errorf("%+v", d)
			}
			rep := probeJSON(t, exitOK, addr, append(fm.client, "-n", "1", "--session-in", file)...)
			if rep.SessionIn == nil || !rep.SessionIn.Resumed || rep.How != fm.how {
				t.Errorf("%+v of %+v", rep.SessionIn, rep)
			}
			s.await(1, " resumed="+fm.how+" ")

			der := filepath.Join(t.TempDir(), "s.der")
			finish(t, openssl(t, "sess_id", "-in", file, "-outform", "DER", "-out", der)).want(t, 0)
			if again := sessl(t, "inspect", "--json", der).want(t, exitOK); again.out != r.out {
				t.Errorf("the same session in DER:\n%s\nand in PEM:\n%s", again.out, r.out)
			}
		})
	}
}

// The file has the master secret: only its owner may read it, whatever was there before, and
// nothing else is left in the directory.
func TestSessionFileIsPrivateAndWhole(t *testing.T) {
	leakcheck.Test(t)
	_, addr := startServe(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "s.pem")
	if err := os.WriteFile(file, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	old, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	probeJSON(t, exitOK, addr, "-n", "1", "--session-out", file)
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode() != 0o600 || os.SameFile(st, old) {
		t.Errorf("mode %v, the old file rewritten: %t", st.Mode(), os.SameFile(st, old))
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v; %v", entries, err)
	}
}

// A file does not have the intermediate certificate. The session is offered only if the
// intermediate is among the roots.
func TestSessionFileBehindAnIntermediate(t *testing.T) {
	for _, version := range tlsVersions {
		t.Run(version, func(t *testing.T) {
			leakcheck.Test(t)
			_, addr := startServe(t, "--cert", ssltest.CertFile("server-chain.pem"),
				"--key", ssltest.CertFile("server-chain.key"),
				"--tls", version)
			dir := t.TempDir()
			file, both := filepath.Join(dir, "s.pem"), filepath.Join(dir, "both.pem")
			probeJSON(t, exitOK, addr, "-n", "1", "--session-out", file)
			r := probeJSON(t, exitNoReuse, addr, "-n", "2", "--session-in", file)
			if r.SessionIn == nil || r.SessionIn.Offered || r.SessionIn.Resumed || r.Offered != 1 ||
				r.Resumed != 1 || r.Reuse {
				t.Errorf("%+v of %+v", r.SessionIn, r)
			}
			var text []byte
			for _, name := range []string{"ca.pem", "intermediate.pem"} {
				b, err := os.ReadFile(ssltest.CertFile(name))
				if err != nil {
					t.Fatal(err)
				}
				text = append(text, b...)
			}
			if err := os.WriteFile(both, text, 0o600); err != nil {
				t.Fatal(err)
			}
			probeJSON(t, exitOK, addr, "-n", "1", "--session-in", file, "--ca", both)
		})
	}
}

// A failure leaves the existing file as it was.
func TestSessionFileSurvivesFailure(t *testing.T) {
	leakcheck.Test(t)
	_, addr := startOpenSSL(t, "-tls1_3", "-num_tickets", "0", "-www")
	file := filepath.Join(t.TempDir(), "s.pem")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := probeJSON(t, exitNoReuse, addr, "-n", "1", "--session-out", file)
	if got, err := os.ReadFile(file); err != nil || string(got) != "old" || r.SessionOut != nil {
		t.Errorf("%q, %v, %v", got, r.SessionOut, err)
	}
}
