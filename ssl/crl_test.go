package ssl_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
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

// crlOf is a list of testdata's CA ca that revokes the certificates of these names.
func crlOf(t testing.TB, ca string, from, until time.Time, revoked ...string) []byte {
	t.Helper()
	parent, err := tls.LoadX509KeyPair(certFile(ca+".pem"), certFile(ca+".key"))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(parent.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: until}
	for _, name := range revoked {
		data, err := os.ReadFile(certFile(name + ".pem"))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := pem.Decode(data) // the leaf
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: from})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer, parent.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

var longAgo = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// current is a list that is in force.
func current(t testing.TB, ca string, revoked ...string) []byte {
	t.Helper()
	return crlOf(t, ca, longAgo, farFuture, revoked...)
}

// What lists do to a peer, on both sides: the same certificate chain is good or bad by them
// alone.
func TestCRLs(t *testing.T) {
	leakcheck.Test(t)
	damaged := bytes.Clone(current(t, "ca"))
	damaged[len(damaged)-1] ^= 1
	for _, c := range []struct {
		what  string
		chain bool // the peer's certificate comes from the intermediate CA
		all   bool // CRLCheckChain
		crls  [][]byte
		code  int
	}{
		{"none revoked", false, false, [][]byte{current(t, "ca")}, 0},
		{"another revoked", false, false, [][]byte{current(t, "ca", "expired")}, 0},
		{"revoked", false, false, [][]byte{current(t, "ca", "server-ecdsa", "client")}, certRevoked},
		{"revoked, chain", false, true, [][]byte{current(t, "ca", "server-ecdsa", "client")}, certRevoked},
		{"only another CA's", false, false, [][]byte{current(t, "other-ca")}, noCRL},
		{"several", false, false, [][]byte{current(t, "other-ca"), current(t, "ca")}, 0},
		{"out of date", false, false, [][]byte{crlOf(t, "ca", longAgo, longAgo.Add(time.Hour))}, crlExpired},
		{"of the future", false, false, [][]byte{crlOf(t, "ca", farFuture, farFuture.Add(time.Hour))}, crlNotYetValid},
		{"damaged", false, false, [][]byte{damaged}, badCRLSig},
		{"leaf of an intermediate", true, false, [][]byte{current(t, "intermediate")}, 0},
		{"leaf of an intermediate, wrong CA", true, false, [][]byte{current(t, "ca")}, noCRL},
		{"intermediate revoked, leaf checked", true, false, [][]byte{current(t, "intermediate"), current(t, "ca", "intermediate")}, 0},
		{"intermediate revoked, chain checked", true, true, [][]byte{current(t, "intermediate"), current(t, "ca", "intermediate")}, certRevoked},
		{"chain without the root's list", true, true, [][]byte{current(t, "intermediate")}, noCRL},
		{"chain with all lists", true, true, [][]byte{current(t, "intermediate"), current(t, "ca")}, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				suffix := ""
				if c.chain {
					suffix = "-chain"
				}
				// The client looks at the server's certificate.
				known := copyOf(srv, func(*ssl.Config) {})
				if c.chain {
					known.Certificates = []ssl.Certificate{keyPair(t, "server-chain")}
				}
				p := newTCPPair(t, copyOf(cli, func(cfg *ssl.Config) { cfg.CRLs, cfg.CRLCheckChain = c.crls, c.all }), known)
				cerr, serr := p.shake()
				if verifyCode(cerr) != c.code || c.code == 0 && (cerr != nil || serr != nil) {
					t.Errorf("client: code %d, want %d: %v; server: %v", verifyCode(cerr), c.code, cerr, serr)
				}
				if c.code == certRevoked && alertOf(serr) != alertCertificateRevoked {
					t.Errorf("the server hears %v", serr)
				}
				// The server looks at the client's.
				asks := copyOf(srv, func(cfg *ssl.Config) {
					cfg.ClientAuth, cfg.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
					cfg.CRLs, cfg.CRLCheckChain = c.crls, c.all
				})
				q := newTCPPair(t, copyOf(cli, func(cfg *ssl.Config) { cfg.Certificates = []ssl.Certificate{keyPair(t, "client"+suffix)} }), asks)
				cerr, serr = q.shake()
				if verifyCode(serr) != c.code || c.code == 0 && (cerr != nil || serr != nil) {
					t.Errorf("server: code %d, want %d: %v; client: %v", verifyCode(serr), c.code, serr, cerr)
				}
			})
		})
	}
}

// Attack: a session made without lists, or under others, is no way around these.
func TestAttackSessionOlderThanCRL(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		with := func(crls ...[]byte) *ssl.Config {
			return copyOf(cli, func(c *ssl.Config) { c.CRLs = crls })
		}
		sctx := newServerCtx(t, srv)
		good, revoked := with(current(t, "ca")), with(current(t, "ca", "server-ecdsa"))
		for _, s := range []*ssl.Session{madeWith(t, cli, sctx), madeWith(t, good, sctx), madeWith(t, copyOf(cli, insecure), sctx)} {
			wantFull(t, try(t, revoked, sctx, s), certRevoked)
			wantFull(t, try(t, revoked, sctx, dup(t, s)), certRevoked)
			wantFull(t, try(t, revoked, sctx, reparsed(t, s)), certRevoked)
			wantFull(t, try(t, with(current(t, "other-ca")), sctx, s), noCRL)
			// The lists have nothing against it: its leaf verifies now.
			wantResumed(t, try(t, good, sctx, s))
		}
	})
}

// Only the stamp can have a session of server-chain offered, for its leaf does not verify
// again without the intermediate: each demand has a stamp of its own.
func TestStampHasDemands(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{keyPair(t, "server-chain")}
		sctx := newServerCtx(t, srv)
		leaf, root := current(t, "intermediate"), current(t, "ca")
		cli.CRLs = [][]byte{leaf, root}
		s := madeWith(t, cli, sctx)
		wantResumed(t, try(t, cli, sctx, s))
		wantResumed(t, try(t, copyOf(cli, func(c *ssl.Config) { c.CRLs = [][]byte{root, leaf, root} }), sctx, s))
		for what, change := range map[string]func(*ssl.Config){
			"no lists":       func(c *ssl.Config) { c.CRLs = nil },
			"other lists":    func(c *ssl.Config) { c.CRLs = [][]byte{leaf, current(t, "ca", "expired")} },
			"the chain":      func(c *ssl.Config) { c.CRLCheckChain = true },
			"depth":          func(c *ssl.Config) { c.VerifyDepth = 5 },
			"purpose":        func(c *ssl.Config) { c.VerifyPurpose = ssl.PurposeServer },
			"security level": func(c *ssl.Config) { c.SecurityLevel = 1 },
			"schemes":        func(c *ssl.Config) { c.SignatureSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256} },
		} {
			t.Log(what)
			wantFull(t, try(t, copyOf(cli, change), sctx, s), 0)
		}
	})
}

const refusedAnyhow = -1 // the client has nothing to show to such a server

// Attack: a client whose certificate has been revoked comes with a session of before, and
// the server that knows of it shares the session id context and the cached session, or the
// ticket keys, with the one that did not.
func TestAttackRevokedClientResumes(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
		srv.SessionIDContext = []byte("fleet")
		if fm.tickets {
			srv.TicketKeys = ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)})
		}
		cli.Certificates = []ssl.Certificate{keyPair(t, "client")}
		for what, c := range map[string]struct {
			change func(*ssl.Config)
			want   int
		}{
			"the same demands": {func(*ssl.Config) {}, 0},
			"revoked":          {func(c *ssl.Config) { c.CRLs = [][]byte{current(t, "ca", "client")} }, certRevoked},
			"no list":          {func(c *ssl.Config) { c.CRLs = [][]byte{current(t, "other-ca")} }, noCRL},
			"other roots":      {func(c *ssl.Config) { c.ClientCAs = roots(t, "other-ca") }, refusedAnyhow},
			"purpose":          {func(c *ssl.Config) { c.VerifyPurpose = ssl.PurposeServer }, badPurpose},
		} {
			before := copyOf(srv, func(*ssl.Config) {})
			box := newInbox(t, before)
			s := madeWith(t, cli, newServerCtx(t, before))
			after := newServerCtx(t, copyOf(srv, c.change))
			kept := 0
			for _, own := range box.all() {
				d := dup(t, own)
				if ok, err := after.AddSession(d); err == nil && ok {
					kept++
				}
			}
			if !fm.tickets && kept == 0 {
				t.Errorf("%s: no session could be handed over", what)
			}
			got := try(t, cli, after, s)
			if verifyCode(got.server) != c.want && (c.want != refusedAnyhow || got.server == nil) {
				t.Errorf("%s: %+v", what, got)
			}
			if same := c.want == 0; got.reused != same {
				t.Errorf("%s: reused is %t", what, got.reused)
			}
		}
	})
}

// Lists that go out of date end what was verified with them: the client's offer, and the
// server's sessions.
func TestAttackCRLExpiresMeanwhile(t *testing.T) {
	leakcheck.Test(t)
	type attack struct {
		form
		cli, known *ssl.Config
		srv, asks  *ssl.Ctx
		s, m       *ssl.Session
	}
	var attacks []attack
	var until time.Time
	for window := 2 * time.Second; len(attacks) < len(forms); window *= 2 {
		attacks = nil // those that were made in time
		until = time.Now().Add(window).Truncate(time.Second)
		crls := [][]byte{current(t, "other-ca"), crlOf(t, "ca", longAgo, until)}
		for _, fm := range forms {
			srv, cli := serverConfig(t), clientConfig(t)
			srv.SessionTicketsDisabled = !fm.tickets
			cli.MaxVersion, srv.MaxVersion = fm.version, fm.version
			known := copyOf(cli, func(c *ssl.Config) { c.Certificates = []ssl.Certificate{keyPair(t, "client")} })
			asks := newServerCtx(t, copyOf(srv, func(c *ssl.Config) {
				c.ClientAuth, c.ClientCAs, c.CRLs = ssl.RequireAndVerifyClientCert, roots(t, "ca"), crls
			}))
			cli.CRLs = crls
			a := attack{form: fm, cli: cli, known: known, srv: newServerCtx(t, srv), asks: asks}
			a.s, a.m = madeBefore(t, cli, a.srv), madeBefore(t, known, asks)
			if a.s != nil && a.m != nil {
				attacks = append(attacks, a)
			}
		}
	}
	for _, a := range attacks {
		if hint, err := a.m.TicketLifetimeHint(); err != nil || a.version == ssl.VersionTLS13 && hint > time.Minute {
			t.Errorf("%s: the server offers to resume for %v, %v", a.name, hint, err)
		}
	}
	<-time.After(time.Until(until.Add(time.Second + 100*time.Millisecond)))
	for _, a := range attacks {
		wantFull(t, try(t, a.cli, a.srv, a.s), crlExpired)
		if got := try(t, a.known, a.asks, a.m); !got.offered || got.reused || verifyCode(got.server) != crlExpired {
			t.Errorf("%s, server's lists: %+v", a.name, got)
		}
	}
}

// madeBefore is madeWith, or nil if a list was out of date before the handshake was over.
func madeBefore(t *testing.T, cli *ssl.Config, srv *ssl.Ctx) *ssl.Session {
	t.Helper()
	a, b := tcpPipe(t)
	p := newPair(t, newClientCtx(t, cli), srv, a, b)
	defer p.closeBoth()
	c, s := p.shake()
	if verifyCode(c) == crlExpired || verifyCode(s) == crlExpired {
		return nil
	}
	if c != nil || s != nil {
		t.Fatalf("client %v, server %v", c, s)
	}
	p.echo(t)
	return sessionOf(t, p.client)
}

func TestBadCRLs(t *testing.T) {
	leakcheck.Test(t)
	good := current(t, "ca")
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	two := append(pemCRL(good), pemCRL(current(t, "other-ca"))...)
	crls, err := ssl.LoadCRLs(write("two.pem", two), write("one.der", good))
	if err != nil || len(crls) != 3 || !bytes.Equal(crls[2], good) || !bytes.Equal(crls[0], good) {
		t.Errorf("%d lists, %v", len(crls), err)
	}
	for what, data := range map[string][]byte{
		"nothing": nil, "text": []byte("text"), "a certificate": readFile(t, "ca.pem"), "half": good[:len(good)/2],
		"more than a list": append(bytes.Clone(good), 0), "PEM of garbage": pemCRL([]byte("garbage")),
		"a good and a bad one": append(pemCRL(good), pemCRL(good[:40])...), "5 MB": make([]byte, 5<<20),
	} {
		got, err := ssl.ParseCRLs(data)
		refuses(t, what, err, ssl.ErrMalformed)
		if got != nil {
			t.Errorf("%s: lists and an error", what)
		}
		if _, err := ssl.LoadCRLs(write("bad", data)); err == nil || !strings.Contains(err.Error(), "bad") {
			t.Errorf("%s: %v does not name the file", what, err)
		}
		if len(data) > 0 {
			cfg := clientConfig(t)
			cfg.CRLs = [][]byte{good, data}
			err := cfg.CheckClient()
			refuses(t, what+", configured", err, ssl.ErrMalformed)
			if err != nil && !strings.Contains(err.Error(), "list 2 of CRLs") {
				t.Errorf("%s: %v does not name the list", what, err)
			}
		}
	}
	_, err = ssl.LoadCRLs(filepath.Join(dir, "missing"))
	refuses(t, "missing", err, fs.ErrNotExist)
}

func pemCRL(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}) }
