package conns_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// rawForms are changes of a server's Config: the forms that its sessions have.
var rawForms = map[string]func(t *testing.T, srv *ssl.Config){
	"ticket":         func(*testing.T, *ssl.Config) {},
	"TicketKeys":     func(t *testing.T, srv *ssl.Config) { srv.TicketKeys = randomKeys(t) },
	"internal cache": func(_ *testing.T, srv *ssl.Config) { srv.SessionTicketsDisabled = true },
	"SessionCache":   func(t *testing.T, srv *ssl.Config) { srv.SessionCache = ssltest.NewServerCache(t, nil) },
	"store": func(t *testing.T, srv *ssl.Config) {
		srv.SessionCache = ssltest.NewServerCache(t, &ssl.ServerCacheOptions{
			Store: ssltest.NewMemStore(), SealKeys: ssltest.NewSealKeys(t, 1)})
	},
}

// eachRawForm runs f for each form and version.
func eachRawForm(t *testing.T, f func(t *testing.T, srv, cli *ssl.Config, public []byte)) {
	needRaw(t)
	for form, setForm := range rawForms {
		for version, set := range rawVersions {
			t.Run(form+"/"+version, func(t *testing.T) {
				srv, cli, public := rawBoth(t)
				setForm(t, srv)
				set(srv)
				f(t, srv, cli, public)
			})
		}
	}
}

// A resumption keeps both keys: in each form, by a session at hand, one that was in DER, and from caches.
func TestRawSessionsResume(t *testing.T) {
	eachRawForm(t, func(t *testing.T, srv, cli *ssl.Config, public []byte) {
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		p := ssltest.Meet(t, cctx, sctx, nil)
		offer := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		for what, s := range map[string]*ssl.Session{
			"session": ssltest.Dup(t, offer), "DER": ssltest.Reparsed(t, offer),
		} {
			p := ssltest.Meet(t, cctx, sctx, s)
			if !p.Client.SessionReused() || !p.Server.SessionReused() {
				t.Errorf("%s: the client says %v, the server %v", what, p.Client.ReuseState(), p.Server.ReuseState())
			}
			wantRaw(t, p.Client, cli.PeerRawPublicKeys[0], true)
			wantRaw(t, p.Server, public, true)
			p.CloseBoth()
		}
		cache := ssltest.NewCache(t, 8)
		for i := range 3 { // a resumption's session resumes, too
			p := ssltest.Cached(t, cctx, sctx, cache, ssltest.Here)
			p.MustShake(t)
			p.Echo(t)
			if reused := p.Client.SessionReused(); reused != (i > 0) || p.Server.SessionReused() != reused {
				t.Errorf("connection %d: %v", i, p.Client.ReuseState())
			}
			wantRaw(t, p.Client, cli.PeerRawPublicKeys[0], true)
			wantRaw(t, p.Server, public, true)
			p.CloseBoth()
		}
	})
}

// A server that has the keys of another, or its cache, but expects other client keys, resumes none of its
// sessions: the client has to show its key, and is refused if it is none of these.
func TestRawServersDoNotShareTrust(t *testing.T) {
	eachRawForm(t, func(t *testing.T, srv, cli *ssl.Config, public []byte) {
		if srv.TicketKeys == nil && srv.SessionCache == nil {
			return // nothing is shared
		}
		srv.SessionIDContext = []byte("one fleet")
		_, other := bare(t, edKey(t))
		cctx := ssltest.NewClientCtx(t, cli)
		p := ssltest.Meet(t, cctx, ssltest.NewServerCtx(t, srv), nil)
		offer := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		for what, tt := range map[string]struct {
			change           func(*ssl.Config)
			admitted, reused bool
		}{
			"the same list":  {func(*ssl.Config) {}, true, true},
			"the same twice": {func(c *ssl.Config) { c.PeerRawPublicKeys = [][]byte{public, public} }, true, true},
			"one key more":   {func(c *ssl.Config) { c.PeerRawPublicKeys = [][]byte{other, public} }, true, false},
			"another key":    {func(c *ssl.Config) { c.PeerRawPublicKeys = [][]byte{other} }, false, false},
			"certificates":   {certificatesOnly(t), false, false},
			"both types":     {bothTypes(t, public), true, false},
			"no verification": {func(c *ssl.Config) {
				c.PeerRawPublicKeys, c.ClientAuth = nil, ssl.RequireAnyClientCert
			}, true, false},
		} {
			t.Run(what, func(t *testing.T) {
				a, b := ssltest.TCPPipe(t)
				p := ssltest.NewPair(t, cctx, ssltest.NewServerCtx(t, ssltest.CopyOf(srv, tt.change)), a, b)
				if err := p.Client.SetSession(ssltest.Dup(t, offer)); err != nil {
					t.Fatal(err)
				}
				_, err := p.ShakeUntilClosed()
				if (err == nil) != tt.admitted || p.Server.SessionReused() != tt.reused {
					t.Errorf("the server says %v, resumed %t", err, p.Server.SessionReused())
				}
				if err == nil && !bytes.Equal(p.Server.ConnectionState().PeerRawPublicKey, public) {
					t.Errorf("the server sees %x", p.Server.ConnectionState().PeerRawPublicKey)
				}
			})
		}
	})
}

func certificatesOnly(t *testing.T) func(*ssl.Config) {
	return func(c *ssl.Config) {
		c.PeerCertificateTypes, c.PeerRawPublicKeys, c.ClientCAs = nil, nil, ssltest.Roots(t, "ca")
	}
}

func bothTypes(t *testing.T, public []byte) func(*ssl.Config) {
	return func(c *ssl.Config) {
		c.PeerCertificateTypes = []ssl.CertificateType{rawType, x509Type}
		c.PeerRawPublicKeys, c.ClientCAs = [][]byte{public}, ssltest.Roots(t, "ca")
	}
}

// A client offers a session only while it expects the key in it, whoever hands it the session.
func TestRawClientsDoNotShareTrust(t *testing.T) {
	needRaw(t)
	for version, set := range rawVersions {
		t.Run(version, func(t *testing.T) {
			srv, cli := rawServer(t)
			set(srv)
			sctx := ssltest.NewServerCtx(t, srv)
			public := cli.PeerRawPublicKeys[0]
			_, other := bare(t, edKey(t))
			p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, nil)
			offer := ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			insecure := ssltest.CopyOf(cli, ssltest.Insecure)
			insecure.PeerRawPublicKeys = nil
			p = ssltest.Meet(t, ssltest.NewClientCtx(t, insecure), sctx, nil)
			unverified := ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			for what, tt := range map[string]struct {
				change            func(*ssl.Config)
				offered, admitted bool
			}{
				"the same list": {func(*ssl.Config) {}, true, true},
				"one key more":  {func(c *ssl.Config) { c.PeerRawPublicKeys = [][]byte{other, public} }, true, true},
				"another key":   {func(c *ssl.Config) { c.PeerRawPublicKeys = [][]byte{other} }, false, false},
				"certificates": {func(c *ssl.Config) {
					c.PeerCertificateTypes, c.PeerRawPublicKeys, c.RootCAs = nil, nil, ssltest.Roots(t, "ca")
				}, false, false},
			} {
				cctx := ssltest.NewClientCtx(t, ssltest.CopyOf(cli, tt.change))
				for kind, s := range map[string]*ssl.Session{"verified": offer, "DER": ssltest.Reparsed(t, offer),
					"unverified": unverified} {
					a, b := ssltest.TCPPipe(t)
					p := ssltest.NewPair(t, cctx, sctx, a, b)
					if err := p.Client.SetSession(ssltest.Dup(t, s)); err != nil {
						t.Fatal(err)
					}
					err, _ := p.ShakeUntilClosed()
					if p.Client.SessionOffered() != tt.offered || (err == nil) != tt.admitted ||
						p.Client.SessionReused() != tt.offered {
						t.Errorf("%s, %s: offered %t, resumed %t, %v", what, kind, p.Client.SessionOffered(),
							p.Client.SessionReused(), err)
					}
					p.CloseBoth()
				}
			}
		})
	}
}

// Clients that share a cache share sessions only under one list.
func TestRawClientsShareACache(t *testing.T) {
	needRaw(t)
	srv, cli := rawServer(t)
	s := ssltest.StartServer(t, srv)
	cache := ssltest.NewCache(t, 8)
	_, other := bare(t, edKey(t))
	public := cli.PeerRawPublicKeys[0]
	for i, tt := range []struct {
		keys [][]byte
		want ssl.ReuseState
	}{
		{[][]byte{public}, ssl.ReuseNoSession}, {[][]byte{public}, ssl.ReusedTicket},
		{[][]byte{public, other}, ssl.ReuseOtherConfig}, {[][]byte{other, public}, ssl.ReusedTicket},
		{[][]byte{other}, ssl.ReuseUnknown}, {[][]byte{public}, ssl.ReusedTicket},
	} {
		ctx := ssltest.NewClientCtx(t, ssltest.CopyOf(cli, func(c *ssl.Config) { c.PeerRawPublicKeys = tt.keys }))
		d := ssl.Dialer{Ctx: ctx, Sessions: cache}
		conn, err := d.Dial("tcp", s.Addr)
		if tt.want == ssl.ReuseUnknown {
			if ssltest.RefusalOf(t, err).PeerRawPublicKey == nil {
				t.Errorf("connection %d: %v", i, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		ssltest.RoundTrip(t, conn)
		if got := conn.ReuseState(); got != tt.want {
			t.Errorf("connection %d: %v, want %v", i, got, tt.want)
		}
		conn.Close()
	}
}

// The Ctx that GetConfigForClient chooses has its own list, in resumptions, too.
func TestRawKeysOfAChosenCtx(t *testing.T) {
	needRaw(t)
	for version, set := range rawVersions {
		t.Run(version, func(t *testing.T) {
			srv, cli, public := rawBoth(t)
			set(srv)
			srv.TicketKeys = randomKeys(t)
			_, other := bare(t, edKey(t))
			expectOther := func(c *ssl.Config) { c.PeerRawPublicKeys = [][]byte{other} }
			strict := ssltest.NewServerCtx(t, ssltest.CopyOf(srv, expectOther))
			lax := ssltest.NewServerCtx(t, srv)
			var chosen *ssl.Ctx
			srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return chosen, nil }
			front := ssltest.NewServerCtx(t, srv)
			cctx := ssltest.NewClientCtx(t, cli)
			chosen = lax
			p := ssltest.Meet(t, cctx, front, nil)
			wantRaw(t, p.Server, public, true)
			offer := ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			p = ssltest.Meet(t, cctx, front, ssltest.Dup(t, offer))
			if !p.Server.SessionReused() {
				t.Errorf("the chosen Ctx says %v", p.Server.ReuseState())
			}
			p.CloseBoth()
			chosen = strict
			a, b := ssltest.TCPPipe(t)
			p = ssltest.NewPair(t, cctx, front, a, b)
			if err := p.Client.SetSession(ssltest.Dup(t, offer)); err != nil {
				t.Fatal(err)
			}
			if _, err := p.ShakeUntilClosed(); !bytes.Equal(ssltest.RefusalOf(t, err).PeerRawPublicKey, public) {
				t.Errorf("the strict Ctx says %v", err)
			}
		})
	}
}

// Early data goes with a session of keys, and not to a server that is not expected any more.
func TestRawEarlyData(t *testing.T) {
	needRaw(t)
	srv, cli, public := rawBoth(t)
	srv.MaxEarlyData = 1 << 10
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	offer := ssltest.EarlySession(t, cctx, sctx)
	p := ssltest.EarlyPair(t, cctx, sctx, ssltest.Dup(t, offer))
	p.WantEarly(t, ssl.EarlyDataAccepted)
	wantRaw(t, p.Server, public, true)
	wantRaw(t, p.Client, cli.PeerRawPublicKeys[0], true)
	p.CloseBoth()
	_, other := bare(t, edKey(t))
	cli.PeerRawPublicKeys = [][]byte{other}
	cctx = ssltest.NewClientCtx(t, cli)
	p = ssltest.EarlyPair(t, cctx, sctx, ssltest.Dup(t, offer))
	defer p.CloseBoth()
	if _, err := p.Client.WriteEarlyData([]byte("early")); !errors.Is(err, ssl.ErrNoEarlyData) {
		t.Errorf("early data for an unexpected key: %v", err)
	}
}

// A client shows its key after the handshake, and the server's sessions have it from then on.
func TestRawPostHandshakeAuth(t *testing.T) {
	needRaw(t)
	for form, setForm := range rawForms {
		t.Run(form, func(t *testing.T) {
			srv, cli, public := rawBoth(t)
			setForm(t, srv)
			srv.PostHandshakeAuth, cli.PostHandshakeAuth = true, true
			cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
			p := ssltest.Meet(t, cctx, sctx, nil)
			wantLocal := func(want ssl.CertificateType) {
				t.Helper()
				if got := p.Client.ConnectionState().LocalCertificateType; got != want {
					t.Errorf("the client says that it has shown %v, want %v", got, want)
				}
			}
			if s := p.Server.ConnectionState(); s.PeerRawPublicKey != nil || s.Verified {
				t.Errorf("before: %x, verified %t", s.PeerRawPublicKey, s.Verified)
			}
			wantLocal(x509Type) // which stands for nothing
			if err := p.Request(t); err != nil {
				t.Fatal(err)
			}
			p.Echo(t)
			wantRaw(t, p.Server, public, true)
			wantLocal(rawType)
			offer := ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			p = ssltest.Meet(t, cctx, sctx, offer)
			defer p.CloseBoth()
			wantLocal(x509Type)
			if !p.Server.SessionReused() {
				t.Errorf("the server says %v", p.Server.ReuseState())
			}
			wantRaw(t, p.Server, public, true)
		})
	}
	t.Run("stranger", func(t *testing.T) {
		srv, cli, _ := rawBoth(t)
		srv.PostHandshakeAuth, cli.PostHandshakeAuth = true, true
		cert, public := bare(t, edKey(t))
		cli.Certificates = []ssl.Certificate{cert}
		p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), nil)
		defer p.CloseBoth()
		done := make(chan error, 1)
		go func() { done <- ssltest.ReadUntil(p.Client, "done") }()
		err := p.Server.RequestClientCertificate(t.Context())
		if !bytes.Equal(ssltest.RefusalOf(t, err).PeerRawPublicKey, public) {
			t.Errorf("the server says %v", err)
		}
		p.Server.Close()
		if err := <-done; err == nil {
			t.Error("the client was not told")
		}
	})
}

// A client's file of sessions keeps the key.
func TestRawSessionsInAFile(t *testing.T) {
	needRaw(t)
	srv, cli := rawServer(t)
	s := ssltest.StartServer(t, srv)
	ctx := ssltest.NewClientCtx(t, cli)
	keys, file := ssltest.NewSealKeys(t, 1), fmt.Sprint(t.TempDir(), "/sessions")
	for i, want := range []ssl.ReuseState{ssl.ReuseNoSession, ssl.ReusedTicket} {
		cache := ssltest.NewCache(t, 8)
		if i > 0 {
			if n, err := cache.Load(file, keys); n == 0 || err != nil {
				t.Fatal(n, err)
			}
		}
		d := ssl.Dialer{Ctx: ctx, Sessions: cache}
		conn, err := d.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		ssltest.RoundTrip(t, conn)
		if got := conn.ReuseState(); got != want {
			t.Errorf("connection %d: %v", i, got)
		}
		wantClientSees(t, conn, cli.PeerRawPublicKeys[0])
		conn.Close()
		if err := cache.Save(file, keys); err != nil {
			t.Fatal(err)
		}
	}
}

// A session from the store of another machine has the key, and is looked at there.
func TestRawSessionsFromAStore(t *testing.T) {
	needRaw(t)
	for version, set := range rawVersions {
		t.Run(version, func(t *testing.T) {
			srv, cli, public := rawBoth(t)
			set(srv)
			store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
			machine := func() *ssl.Ctx {
				srv.SessionCache = ssltest.NewServerCache(t, &ssl.ServerCacheOptions{Store: store, SealKeys: keys,
					LookupTimeout: ssltest.Timeout, WriteThrough: ssltest.Timeout})
				return ssltest.NewServerCtx(t, srv)
			}
			cctx := ssltest.NewClientCtx(t, cli)
			p := ssltest.Meet(t, cctx, machine(), nil)
			offer := ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			p = ssltest.Meet(t, cctx, machine(), ssltest.Dup(t, offer))
			if !p.Server.SessionReused() {
				t.Errorf("the other machine says %v", p.Server.ReuseState())
			}
			wantRaw(t, p.Server, public, true)
			p.CloseBoth()
			_, other := bare(t, edKey(t))
			srv.PeerRawPublicKeys = [][]byte{other}
			a, b := ssltest.TCPPipe(t)
			p = ssltest.NewPair(t, cctx, machine(), a, b)
			if err := p.Client.SetSession(offer); err != nil {
				t.Fatal(err)
			}
			if _, err := p.ShakeUntilClosed(); ssltest.RefusalOf(t, err).PeerRawPublicKey == nil {
				t.Errorf("one that expects another key says %v", err)
			}
		})
	}
}

// Servers with the same tickets and other keys do not resume each other's sessions: whoever expects the one
// must not be led to the other. A key that is replaced in use counts as another server's.
func TestRawKeyIsPartOfTheServer(t *testing.T) {
	needRaw(t)
	for version, set := range rawVersions {
		t.Run(version, func(t *testing.T) {
			srv, cli := rawServer(t)
			set(srv)
			srv.TicketKeys = randomKeys(t)
			cert, public := bare(t, edKey(t))
			cli.PeerRawPublicKeys = append(cli.PeerRawPublicKeys, public)
			reload, err := ssl.NewReloadableCertificates(srv.Certificates...)
			if err != nil {
				t.Fatal(err)
			}
			replaced := ssltest.CopyOf(srv, func(c *ssl.Config) {
				c.Certificates, c.ReloadableCertificates = nil, reload
			})
			first, second := ssltest.NewServerCtx(t, srv), ssltest.NewServerCtx(t, replaced)
			other := ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) {
				c.Certificates = []ssl.Certificate{cert}
			}))
			cctx := ssltest.NewClientCtx(t, cli)
			p := ssltest.Meet(t, cctx, first, nil)
			offer := ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			visit := func(what string, sctx *ssl.Ctx, resumed bool, key []byte) {
				p := ssltest.Meet(t, cctx, sctx, ssltest.Dup(t, offer))
				defer p.CloseBoth()
				if p.Client.SessionReused() != resumed {
					t.Errorf("%s: resumed %t", what, !resumed)
				}
				wantClientSees(t, p.Client, key)
			}
			visit("the same key", second, true, cli.PeerRawPublicKeys[0])
			visit("another key", other, false, public)
			if err := reload.Replace(cert); err != nil {
				t.Fatal(err)
			}
			visit("the key replaced", second, false, public)
		})
	}
}

// A ticket that was forged into one of a server with another list is opened there, and its client is refused:
// the key in it is looked for once more.
func TestRawTicketOfAnotherList(t *testing.T) {
	needRaw(t)
	for version, set := range rawVersions {
		t.Run(version, func(t *testing.T) {
			srv, cli, _ := rawBoth(t)
			set(srv)
			key := ssltest.NewTicketKey(t)
			server := func() *ssl.Ctx {
				return ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key}))
			}
			cctx := ssltest.NewClientCtx(t, cli)
			offer := ssltest.WantVisit(t, cctx, server(), nil, false)
			stranger, other := bare(t, edKey(t))
			srv.PeerRawPublicKeys, cli.Certificates = [][]byte{other}, []ssl.Certificate{stranger}
			second := server()
			theirs := ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), second, nil, false)
			var context []byte
			ssltest.Forge(t, key, theirs, func(inner *ssl.Session) { context = ssltest.Get(t, inner.IDContext) })
			forged := ssltest.Forge(t, key, offer, func(inner *ssl.Session) {
				if err := inner.SetIDContext(context); err != nil {
					t.Fatal(err)
				}
			})
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, second, a, b)
			if err := p.Client.SetSession(forged); err != nil {
				t.Fatal(err)
			}
			_, err := p.ShakeUntilClosed()
			ssltest.Refuses(t, version, err, ssl.ErrUnverified)
		})
	}
}
