package tickets_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// peerOf is what a server knows of its client's certificates.
func peerOf(st ssl.ConnectionState) string {
	var b strings.Builder
	for _, chain := range [][]*x509.Certificate{st.PeerCertificates, st.VerifiedChain} {
		for _, c := range chain {
			fmt.Fprintf(&b, "%x ", sha256.Sum256(c.Raw))
		}
		b.WriteString("| ")
	}
	return fmt.Sprint(b.String(), st.Verified)
}

// mutual has the server demand certificates, and the client show one with its intermediate.
func mutual(t testing.TB, srv, cli *ssl.Config, auth ssl.ClientAuthType) {
	if srv.ClientAuth = auth; auth != ssl.NoClientCert {
		srv.ClientCAs = ssltest.Roots(t, "ca")
	}
	cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client-chain")}
}

// A resumed connection knows the certificates of its client as the first one did, in every
// form and with each ticket; VerifyConnection is asked about the same.
func TestResumptionKeepsTheClientsChain(t *testing.T) {
	for _, auth := range []ssl.ClientAuthType{ssl.RequestClientCert, ssl.VerifyClientCertIfGiven,
		ssl.RequireAndVerifyClientCert} {
		for _, judged := range []bool{false, true} {
			t.Run(fmt.Sprintf("auth %d, judged %t", auth, judged), func(t *testing.T) {
				ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
					mutual(t, srv, cli, auth)
					var seen []string
					if judged {
						srv.VerifyConnection = func(st ssl.ConnectionState) error {
							seen = append(seen, peerOf(st))
							return nil
						}
					}
					sctx := ssltest.NewServerCtx(t, srv)
					got := ssltest.NewInbox(t, cli)
					cctx := ssltest.NewClientCtx(t, cli)
					p := ssltest.Meet(t, cctx, sctx, nil)
					first := p.Server.ConnectionState()
					p.CloseBoth()
					if n := ssltest.If(auth == ssl.RequestClientCert, 0, 3); len(first.PeerCertificates) != 2 ||
						len(first.VerifiedChain) != n {
						t.Fatalf("%d certificates, a chain of %d", len(first.PeerCertificates), len(first.VerifiedChain))
					}
					offers := got.All()
					for i := range 4 { // every ticket of the first, and then those of resumptions
						p := ssltest.Meet(t, cctx, sctx, offers[min(i, len(offers)-1)])
						st := p.Server.ConnectionState()
						if !st.DidResume || peerOf(st) != peerOf(first) {
							t.Errorf("resumption %d: resumed %t, %s, at first %s", i, st.DidResume, peerOf(st), peerOf(first))
						}
						p.CloseBoth()
						if i >= len(offers)-1 {
							offers = got.All()
						}
					}
					for _, s := range seen {
						if s != peerOf(first) {
							t.Errorf("VerifyConnection saw %s, at first %s", s, peerOf(first))
						}
					}
				})
			})
		}
	}
}

// Another process with the same keys knows the chain as well, and so does a third that gets
// its tickets, also when the key is an old one.
func TestTicketsCarryTheClientsChain(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		mutual(t, srv, cli, ssl.RequireAndVerifyClientCert)
		old, current := ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)
		keys := ssl.TicketKeySet{Current: current, Old: []ssl.TicketKey{old}}
		one := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: old}))
		two, three := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, keys)), ssltest.TicketServer(t, srv,
			ssltest.TicketKeys(t, keys))
		cctx := ssltest.NewClientCtx(t, cli)
		var first, s = "", (*ssl.Session)(nil)
		for i, sctx := range []*ssl.Ctx{one, two, three, two, three} {
			p := ssltest.Meet(t, cctx, sctx, s)
			st := p.Server.ConnectionState()
			if i == 0 {
				first = peerOf(st)
			}
			if st.DidResume != (i > 0) || peerOf(st) != first {
				t.Errorf("connection %d: resumed %t, %s, at first %s", i, st.DidResume, peerOf(st), first)
			}
			s = ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
		}
	})
}

// frameIn is the appdata of the session in the ticket.
func frameIn(t testing.TB, k ssl.TicketKey, s *ssl.Session) (frame []byte) {
	t.Helper()
	ssltest.Forge(t, k, s, func(inner *ssl.Session) { frame = ssltest.Get(t, inner.TicketAppData) })
	return frame
}

func withFrame(t testing.TB, k ssl.TicketKey, s *ssl.Session, frame []byte) *ssl.Session {
	t.Helper()
	return ssltest.Forge(t, k, s, func(inner *ssl.Session) {
		if err := inner.SetTicketAppData(frame); err != nil {
			t.Fatal(err)
		}
	})
}

// A ticket of a server with the keys that has no frame in it, or another, or a broken one: a
// server that needs the client's chain does a full handshake, and one that does not resumes.
func TestForeignTicketAppData(t *testing.T) {
	for _, auth := range []ssl.ClientAuthType{ssl.NoClientCert, ssl.RequireAndVerifyClientCert} {
		t.Run(fmt.Sprint("auth ", auth), func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				mutual(t, srv, cli, auth)
				cli.InsecureSkipVerify = true // what is parsed from DER is not the client's concern here
				key := ssltest.NewTicketKey(t)
				keys := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key})
				cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv, keys)
				s := ssltest.WantVisit(t, cctx, sctx, nil, false)
				frame := frameIn(t, key, s)
				needed := auth != ssl.NoClientCert
				if needed != (len(frame) > 400) {
					t.Fatalf("the frame has %d bytes", len(frame))
				}
				if needed {
					ssltest.WantVisit(t, cctx, sctx, withFrame(t, key, s, frame), true)
				} else if frame != nil {
					t.Error("a frame where there is nothing to keep")
				}
				for name, b := range damagedFrames(frame) {
					if reused, _ := ssltest.Visit(t, cctx, sctx, withFrame(t, key, s, b)); reused == needed {
						t.Errorf("%s: resumed is %t", name, reused)
					}
				}
				if _, next := ssltest.Visit(t, cctx, sctx, withFrame(t, key, s, nil)); needed {
					ssltest.WantVisit(t, cctx, sctx, next, true) // a refused client gets another ticket
				}
				st := keys.Stats()
				if n := uint64(len(damagedFrames(frame))); needed && st.Declined != n+1 || !needed && st.Declined != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// damagedFrames are those that hold no chain that could be believed.
func damagedFrames(frame []byte) map[string][]byte {
	out := map[string][]byte{
		"none":      nil,
		"foreign":   []byte("what nginx might have there"),
		"magic":     []byte("sSl\x01"),
		"no chain":  append([]byte("sSl\x01"), make([]byte, 20)...),
		"too long":  append(append([]byte("sSl\x01"), make([]byte, 16)...), 1, 0xff, 0xff, 0xff),
		"empty one": append(append([]byte("sSl\x01"), make([]byte, 16)...), 1, 0, 0, 0),
	}
	if frame == nil {
		return out
	}
	for _, n := range []int{5, 12, 20, 23, 24, 25, 28, 100, len(frame) / 2, len(frame) - 34, len(frame) - 3,
		len(frame) - 1} {
		out[fmt.Sprintf("cut to %d of %d", n, len(frame))] = frame[:n]
	}
	// The version, a time before all, the flag, the counts, a length, the digest, the sent.
	for _, i := range []int{0, 3, 4, 12, 20, 21, 22, 23, 24, 25, 26, len(frame) - 34, len(frame) - 3,
		len(frame) - 2, len(frame) - 1} {
		flipped := bytes.Clone(frame)
		flipped[i] ^= 0x80
		out[fmt.Sprintf("bit flipped in byte %d of %d", i, len(frame))] = flipped
	}
	return out
}

// A chain that does not fit into a ticket costs full handshakes, and no connection; and one
// that does, and is long, does not.
func TestTicketsOfALongChain(t *testing.T) {
	for name, c := range map[string]struct {
		count int
		fits  bool
	}{"fits": {20, true}, "too long": {30, false}} {
		t.Run(name, func(t *testing.T) {
			cert := withMore(t, "client-chain", c.count)
			ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
				mutual(t, srv, cli, ssl.RequireAndVerifyClientCert)
				cli.Certificates = []ssl.Certificate{cert}
				cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
				var s *ssl.Session
				for i := range 3 {
					p := ssltest.Meet(t, cctx, sctx, s)
					st := p.Server.ConnectionState()
					if st.DidResume != (i > 0 && (c.fits || !fm.Tickets)) || len(st.PeerCertificates) != 2+c.count ||
						len(st.VerifiedChain) != 3 {
						t.Errorf("connection %d: resumed %t, %d certificates, a chain of %d", i, st.DidResume,
							len(st.PeerCertificates), len(st.VerifiedChain))
					}
					s = ssltest.SessionOf(t, p.Client)
					p.CloseBoth()
				}
			})
		})
	}
}

// withMore is a certificate of testdata with n more behind it that are not needed, of about
// 1,300 bytes each.
func withMore(t testing.TB, name string, n int) ssl.Certificate {
	t.Helper()
	chain, err := os.ReadFile(ssltest.CertFile(name + ".pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(ssltest.CertFile(name + ".key"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		filler := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), NotAfter: ssltest.FarFuture,
			DNSNames: slices.Repeat([]string{strings.Repeat("x", 60)}, 17)}
		der, err := x509.CreateCertificate(rand.Reader, filler, filler, signer.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	cert, err := ssl.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// renewedCA is ca's certificate once more: the same name and the same key, and another root.
func renewedCA(t testing.TB, ca string) *ssl.CertPool {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(ssltest.CertFile(ca+".pem"), ssltest.CertFile(ca+".key"))
	if err != nil {
		t.Fatal(err)
	}
	root := *pair.Leaf
	root.SerialNumber = big.NewInt(4711)
	der, err := x509.CreateCertificate(rand.Reader, &root, &root, root.PublicKey, pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		0o600); err != nil {
		t.Fatal(err)
	}
	pool, err := ssl.LoadCertPool(file)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// Servers with other roots do not resume each other's: the session id context differs, and
// where it was made equal by hand, the root is missing, be there one of its name.
func TestTicketOfAnotherRoot(t *testing.T) {
	for name, other := range map[string]struct {
		ca   string // that clients of the other server are from
		pool func(testing.TB) *ssl.CertPool
	}{
		"other-ca":   {"other-ca", func(t testing.TB) *ssl.CertPool { return ssltest.Roots(t, "other-ca") }},
		"renewed ca": {"ca", func(t testing.TB) *ssl.CertPool { return renewedCA(t, "ca") }},
	} {
		t.Run(name, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				wantOtherRoot(t, srv, cli, other.ca,
					other.pool(t))
			})
		})
	}
}

func wantOtherRoot(t *testing.T, srv, cli *ssl.Config, ca string, pool *ssl.CertPool) {
	mutual(t, srv, cli, ssl.RequireAndVerifyClientCert)
	cli.InsecureSkipVerify = true
	key := ssltest.NewTicketKey(t)
	one := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key}))
	more := ssltest.CopyOf(srv, func(c *ssl.Config) { c.ClientCAs = pool })
	two := ssltest.TicketServer(t, more, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key}))
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.WantVisit(t, cctx, one, nil, false)
	foreign := ssltest.CopyOf(cli, func(c *ssl.Config) {
		c.Certificates = []ssl.Certificate{ssltest.Issued(t, ca, x509.ExtKeyUsageClientAuth, "other", nil,
			ssltest.FarFuture)}
	})
	octx := ssltest.NewClientCtx(t, foreign)
	theirs := ssltest.WantVisit(t, octx, two, nil, false)
	var context []byte
	ssltest.Forge(t, key, theirs, func(inner *ssl.Session) { context = ssltest.Get(t, inner.IDContext) })
	forged := ssltest.Forge(t, key, s, func(inner *ssl.Session) {
		if err := inner.SetIDContext(context); err != nil {
			t.Fatal(err)
		}
	})
	ssltest.WantVisit(t, octx, two, forged, false)
}
