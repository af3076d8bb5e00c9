package trust_test

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Codes of X509_verify_cert for revocation, and the alert for it.
const (
	noCRL          = 3
	badCRLSig      = 8
	crlNotYetValid = 11
	crlExpired     = 12
	certRevoked    = 23

	alertCertificateRevoked = 44
)

// What lists do to a peer, on both sides: the same certificate chain is good or bad by them
// alone.
func TestCRLs(t *testing.T) {
	leakcheck.Test(t)
	damaged := bytes.Clone(ssltest.Current(t, "ca"))
	damaged[len(damaged)-1] ^= 1
	for _, c := range []struct {
		what  string
		chain bool // the peer's certificate comes from the intermediate CA
		all   bool // CRLCheckChain
		crls  [][]byte
		code  int
	}{
		{"none revoked", false, false, [][]byte{ssltest.Current(t, "ca")}, 0},
		{"another revoked", false, false, [][]byte{ssltest.Current(t, "ca", "expired")}, 0},
		{"revoked", false, false, [][]byte{ssltest.Current(t, "ca", "server-ecdsa", "client")}, certRevoked},
		{"revoked, chain", false, true, [][]byte{ssltest.Current(t, "ca", "server-ecdsa", "client")}, certRevoked},
		{"only another CA's", false, false, [][]byte{ssltest.Current(t, "other-ca")}, noCRL},
		{"several", false, false, [][]byte{ssltest.Current(t, "other-ca"), ssltest.Current(t, "ca")}, 0},
		{"out of date", false, false,
			[][]byte{ssltest.CRLOf(t, "ca", ssltest.LongAgo, ssltest.LongAgo.Add(time.Hour))}, crlExpired},
		{"of the future", false, false, [][]byte{ssltest.CRLOf(t, "ca", ssltest.FarFuture,
			ssltest.FarFuture.Add(time.Hour))}, crlNotYetValid},
		{"damaged", false, false, [][]byte{damaged}, badCRLSig},
		{"leaf of an intermediate", true, false, [][]byte{ssltest.Current(t, "intermediate")}, 0},
		{"leaf of an intermediate, wrong CA", true, false, [][]byte{ssltest.Current(t, "ca")}, noCRL},
		{"intermediate revoked, leaf checked", true, false, [][]byte{ssltest.Current(t, "intermediate"),
			ssltest.Current(t, "ca", "intermediate")}, 0},
		{"intermediate revoked, chain checked", true, true, [][]byte{ssltest.Current(t, "intermediate"),
			ssltest.Current(t, "ca", "intermediate")}, certRevoked},
		{"chain without the root's list", true, true, [][]byte{ssltest.Current(t, "intermediate")}, noCRL},
		{"chain with all lists", true, true, [][]byte{ssltest.Current(t, "intermediate"), ssltest.Current(t, "ca")},
			0},
	} {
		t.Run(c.what, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				suffix := ""
				if c.chain {
					suffix = "-chain"
				}
				// The client looks at the server's certificate.
				known := ssltest.CopyOf(srv, func(*ssl.Config) {})
				if c.chain {
					known.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
				}
				p := ssltest.NewTCPPair(t, ssltest.CopyOf(cli, func(cfg *ssl.Config) {
					cfg.CRLs,
						cfg.CRLCheckChain = c.crls, c.all
				}), known)
				cerr, serr := p.Shake()
				if ssltest.VerifyCode(cerr) != c.code || c.code == 0 && (cerr != nil || serr != nil) {
					t.Errorf("client: code %d, want %d: %v; server: %v", ssltest.VerifyCode(cerr), c.code, cerr, serr)
				}
				if c.code == certRevoked && ssltest.AlertOf(serr) != alertCertificateRevoked {
					t.Errorf("the server hears %v", serr)
				}
				// The server looks at the client's.
				asks := ssltest.CopyOf(srv, func(cfg *ssl.Config) {
					cfg.ClientAuth, cfg.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
					cfg.CRLs, cfg.CRLCheckChain = c.crls, c.all
				})
				q := ssltest.NewTCPPair(t,
					ssltest.CopyOf(cli, func(cfg *ssl.Config) {
						cfg.Certificates = []ssl.Certificate{ssltest.KeyPair(t,
							"client"+suffix)}
					}), asks)
				cerr, serr = q.Shake()
				if ssltest.VerifyCode(serr) != c.code || c.code == 0 && (cerr != nil || serr != nil) {
					t.Errorf("server: code %d, want %d: %v; client: %v", ssltest.VerifyCode(serr), c.code, serr, cerr)
				}
			})
		})
	}
}

// Attack: a session made without lists, or under others, is no way around these.
func TestAttackSessionOlderThanCRL(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		with := func(crls ...[]byte) *ssl.Config {
			return ssltest.CopyOf(cli, func(c *ssl.Config) { c.CRLs = crls })
		}
		sctx := ssltest.NewServerCtx(t, srv)
		good, revoked := with(ssltest.Current(t, "ca")), with(ssltest.Current(t, "ca", "server-ecdsa"))
		for _, s := range []*ssl.Session{ssltest.MadeWith(t, cli, sctx), ssltest.MadeWith(t, good, sctx),
			ssltest.MadeWith(t, ssltest.CopyOf(cli, ssltest.Insecure), sctx)} {
			ssltest.WantFull(t, ssltest.Try(t, revoked, sctx, s), certRevoked)
			ssltest.WantFull(t, ssltest.Try(t, revoked, sctx, ssltest.Dup(t, s)), certRevoked)
			ssltest.WantFull(t, ssltest.Try(t, revoked, sctx, ssltest.Reparsed(t, s)), certRevoked)
			ssltest.WantFull(t, ssltest.Try(t, with(ssltest.Current(t, "other-ca")), sctx, s), noCRL)
			// The lists have nothing against it: its leaf verifies now.
			ssltest.WantResumed(t, ssltest.Try(t, good, sctx, s))
		}
	})
}

// Only the stamp can have a session of server-chain offered, for its leaf does not verify
// again without the intermediate: each demand has a stamp of its own.
func TestStampHasDemands(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
		sctx := ssltest.NewServerCtx(t, srv)
		leaf, root := ssltest.Current(t, "intermediate"), ssltest.Current(t, "ca")
		cli.CRLs = [][]byte{leaf, root}
		s := ssltest.MadeWith(t, cli, sctx)
		ssltest.WantResumed(t, ssltest.Try(t, cli, sctx, s))
		ssltest.WantResumed(t,
			ssltest.Try(t, ssltest.CopyOf(cli, func(c *ssl.Config) { c.CRLs = [][]byte{root, leaf, root} }), sctx, s))
		for what, change := range map[string]func(*ssl.Config){
			"no lists":       func(c *ssl.Config) { c.CRLs = nil },
			"other lists":    func(c *ssl.Config) { c.CRLs = [][]byte{leaf, ssltest.Current(t, "ca", "expired")} },
			"the chain":      func(c *ssl.Config) { c.CRLCheckChain = true },
			"depth":          func(c *ssl.Config) { c.VerifyDepth = 5 },
			"purpose":        func(c *ssl.Config) { c.VerifyPurpose = ssl.PurposeServer },
			"security level": func(c *ssl.Config) { c.SecurityLevel = 1 },
			"schemes": func(c *ssl.Config) {
				c.SignatureSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
			},
		} {
			t.Log(what)
			ssltest.WantFull(t, ssltest.Try(t, ssltest.CopyOf(cli, change), sctx, s), 0)
		}
	})
}

const refusedAnyhow = -1 // the client has nothing to show to such a server

// Attack: a client whose certificate has been revoked comes with a session of before, and
// the server that knows of it shares the session id context and the cached session, or the
// ticket keys, with the one that did not.
func TestAttackRevokedClientResumes(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		srv.SessionIDContext = []byte("fleet")
		if fm.Tickets {
			srv.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
		}
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		for what, c := range map[string]struct {
			change func(*ssl.Config)
			want   int
		}{
			"the same demands": {func(*ssl.Config) {}, 0},
			"revoked": {func(c *ssl.Config) { c.CRLs = [][]byte{ssltest.Current(t, "ca", "client")} },
				certRevoked},
			"no list":     {func(c *ssl.Config) { c.CRLs = [][]byte{ssltest.Current(t, "other-ca")} }, noCRL},
			"other roots": {func(c *ssl.Config) { c.ClientCAs = ssltest.Roots(t, "other-ca") }, refusedAnyhow},
			"purpose":     {func(c *ssl.Config) { c.VerifyPurpose = ssl.PurposeServer }, ssltest.BadPurpose},
		} {
			before := ssltest.CopyOf(srv, func(*ssl.Config) {})
			box := ssltest.NewInbox(t, before)
			s := ssltest.MadeWith(t, cli, ssltest.NewServerCtx(t, before))
			after := ssltest.NewServerCtx(t, ssltest.CopyOf(srv, c.change))
			kept := 0
			for _, own := range box.All() {
				d := ssltest.Dup(t, own)
				if ok, err := after.AddSession(d); err == nil && ok {
					kept++
				}
			}
			if !fm.Tickets && kept == 0 {
				t.Errorf("%s: no session could be handed over", what)
			}
			got := ssltest.Try(t, cli, after, s)
			if ssltest.VerifyCode(got.Server) != c.want && (c.want != refusedAnyhow || got.Server == nil) {
				t.Errorf("%s: %+v", what, got)
			}
			if same := c.want == 0; got.Reused != same {
				t.Errorf("%s: reused is %t", what, got.Reused)
			}
		}
	})
}

// Lists that go out of date end what was verified with them: the client's offer, and the
// server's sessions.
func TestAttackCRLExpiresMeanwhile(t *testing.T) {
	leakcheck.Test(t)
	type attack struct {
		ssltest.Form
		cli, known *ssl.Config
		srv, asks  *ssl.Ctx
		s, m       *ssl.Session
	}
	var attacks []attack
	clock := ssltest.NewClock(t)
	until := clock.Now().Add(time.Minute)
	crls := [][]byte{ssltest.Current(t, "other-ca"), ssltest.CRLOf(t, "ca", ssltest.LongAgo, until)}
	for _, fm := range ssltest.Forms {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.SessionTicketsDisabled = !fm.Tickets
		cli.MaxVersion, srv.MaxVersion = fm.Version, fm.Version
		known := ssltest.CopyOf(cli, func(c *ssl.Config) {
			c.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		})
		asks := ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) {
			c.ClientAuth, c.ClientCAs, c.CRLs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca"), crls
		}))
		cli.CRLs = crls
		a := attack{Form: fm, cli: cli, known: known, srv: ssltest.NewServerCtx(t, srv), asks: asks}
		a.s, a.m = ssltest.MadeWith(t, cli, a.srv), ssltest.MadeWith(t, known, asks)
		attacks = append(attacks, a)
	}
	for _, a := range attacks {
		if hint, err := a.m.TicketLifetimeHint(); err != nil || a.Version == ssl.VersionTLS13 &&
			hint > time.Minute {
			t.Errorf("%s: the server offers to resume for %v, %v", a.Name, hint, err)
		}
	}
	clock.Pass(time.Minute + 2*time.Second) // OpenSSL counts in seconds
	for _, a := range attacks {
		ssltest.WantFull(t, ssltest.Try(t, a.cli, a.srv, a.s), crlExpired)
		old := a.Version == ssl.VersionTLS13 // then libssl leaves out what is older than the server's hint
		if got := ssltest.Try(t, a.known, a.asks, a.m); got.Offered == old || got.Reused ||
			ssltest.VerifyCode(got.Server) != crlExpired {
			t.Errorf("%s, server's lists: %+v", a.Name, got)
		}
	}
}

func TestBadCRLs(t *testing.T) {
	leakcheck.Test(t)
	good := ssltest.Current(t, "ca")
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	two := append(pemCRL(good), pemCRL(ssltest.Current(t, "other-ca"))...)
	crls, err := ssl.LoadCRLs(write("two.pem", two), write("one.der", good))
	if err != nil || len(crls) != 3 || !bytes.Equal(crls[2], good) || !bytes.Equal(crls[0], good) {
		t.Errorf("%d lists, %v", len(crls), err)
	}
	for what, data := range map[string][]byte{
		"nothing": nil, "text": []byte("text"), "a certificate": ssltest.ReadFile(t, "ca.pem"),
		"half":             good[:len(good)/2],
		"more than a list": append(bytes.Clone(good), 0), "PEM of garbage": pemCRL([]byte("garbage")),
		"a good and a bad one": append(pemCRL(good), pemCRL(good[:40])...), "5 MB": make([]byte, 5<<20),
	} {
		got, err := ssl.ParseCRLs(data)
		ssltest.Refuses(t, what, err, ssl.ErrMalformed)
		if got != nil {
			t.Errorf("%s: lists and an error", what)
		}
		if _, err := ssl.LoadCRLs(write("bad", data)); err == nil || !strings.Contains(err.Error(), "bad") {
			t.Errorf("%s: %v does not name the file", what, err)
		}
		if len(data) > 0 {
			cfg := ssltest.ClientConfig(t)
			cfg.CRLs = [][]byte{good, data}
			err := cfg.CheckClient()
			ssltest.Refuses(t, what+", configured", err, ssl.ErrMalformed)
			if err != nil && !strings.Contains(err.Error(), "list 2 of CRLs") {
				t.Errorf("%s: %v does not name the list", what, err)
			}
		}
	}
	_, err = ssl.LoadCRLs(filepath.Join(dir, "missing"))
	ssltest.Refuses(t, "missing", err, fs.ErrNotExist)
}

func pemCRL(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}) }
