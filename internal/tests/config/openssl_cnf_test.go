package config_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// cnfCase is an openssl.cnf, and what connections of this package and crypto/tls see of it.
// libssl reads the file once a process, so each case has a process of its own.
type cnfCase struct {
	name  string
	lines string
	run   func(t *testing.T)
}

// What the administrator has settled counts where the application leaves it open, and the
// application's setting counts where it has one: in each setting and on both sides.
func TestOpenSSLConf(t *testing.T) {
	leakcheck.Test(t)
	if name := os.Getenv(ssltest.CnfEnv); name != "" {
		i := slices.IndexFunc(cnfCases, func(c cnfCase) bool { return c.name == name })
		cnfCases[i].run(t)
		return
	}
	for _, c := range cnfCases {
		t.Run(c.name, func(t *testing.T) {
			ssltest.UnderConf(t, "TestOpenSSLConf", c.lines, c.name)
		})
	}
}

// helloOf is what a client with that Config offers.
func helloOf(t *testing.T, change func(*ssl.Config)) *tls.ClientHelloInfo {
	t.Helper()
	cfg := ssltest.ClientConfig(t)
	if change != nil {
		change(cfg)
	}
	a, b := net.Pipe()
	defer b.Close()
	c, err := ssl.Client(a, ssltest.NewClientCtx(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	b.SetDeadline(time.Now().Add(ssltest.Timeout))
	got := make(chan *tls.ClientHelloInfo, 1)
	go func() {
		srv := tls.Server(b, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			got <- h
			return nil, errors.New("seen")
		}})
		srv.Handshake()
		b.Close()
	}()
	c.Handshake()
	select {
	case h := <-got:
		return h
	default:
		t.Fatal("no ClientHello")
		return nil
	}
}

// probe connects crypto/tls to a server with that Config.
func probe(t *testing.T, change func(*ssl.Config), with *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	cfg := ssltest.ServerConfig(t)
	if change != nil {
		change(cfg)
	}
	ctx := ssltest.NewServerCtx(t, cfg)
	a, b := ssltest.TCPPipe(t)
	s, err := ssl.Server(b, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetDeadline(time.Now().Add(ssltest.Timeout))
	a.SetDeadline(time.Now().Add(ssltest.Timeout))
	with.InsecureSkipVerify = true
	c := tls.Client(a, with)
	defer c.Close()
	done := make(chan error, 1)
	go func() {
		err := s.Handshake()
		if err == nil {
			err = ssltest.EchoOnce(s)
		}
		s.Close() // the client hears of it
		done <- err
	}()
	err = c.Handshake()
	if err == nil {
		c.Write([]byte("ping"))
		_, err = io.ReadFull(c, make([]byte, 4)) // in TLS 1.3 a refused client hears of it here
	}
	a.Close()
	return c.ConnectionState(), errors.Join(err, <-done)
}

// wantHello compares a part of the client's hello.
func wantHello[T any](t *testing.T, what string, got, want []T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the client offers %s %v, want %v", what, got, want)
	}
}

// wantProbe is what a server chose; a version of 0 is a refusal.
func wantProbe(t *testing.T, what string, st tls.ConnectionState, err error, version, suite uint16) {
	t.Helper()
	switch {
	case version == 0 && err == nil:
		t.Errorf("%s: the server took %s, want a refusal", what, tls.VersionName(st.Version))
	case version != 0 && err != nil:
		t.Errorf("%s: %v", what, err)
	case version != 0 && (st.Version != version || suite != 0 && st.CipherSuite != suite):
		t.Errorf("%s: the server chose %s with %s, want %s with %s", what, tls.VersionName(st.Version),
			tls.CipherSuiteName(st.CipherSuite), tls.VersionName(version), tls.CipherSuiteName(suite))
	}
}

// suites12 are the suites of a hello before TLS 1.3, suites13 the others.
func suites12(h *tls.ClientHelloInfo) []uint16 {
	return slices.DeleteFunc(slices.Clone(h.CipherSuites), func(s uint16) bool {
		return s>>8 == 0x13 ||
			s == 0xFF
	})
}

func suites13(h *tls.ClientHelloInfo) []uint16 {
	return slices.DeleteFunc(slices.Clone(h.CipherSuites), func(s uint16) bool { return s>>8 != 0x13 })
}

func only12() *tls.Config { return &tls.Config{MaxVersion: tls.VersionTLS12} }

var cnfCases = []cnfCase{
	{"nothing", "NumTickets = 2", func(t *testing.T) {
		h := helloOf(t, nil)
		wantHello(t, "versions", h.SupportedVersions, []uint16{tls.VersionTLS13, tls.VersionTLS12})
		wantHello(t, "suites", suites12(h), []uint16{0xC02B, 0xC02F, 0xCCA9, 0xCCA8, 0xC02C, 0xC030})
		wantHello(t, "suites", suites13(h), []uint16{0x1301, 0x1303, 0x1302})
		for _, highest := range []uint16{ssl.VersionTLS11, ssl.VersionTLS12,
			0} { // the default has no suite for old versions
			for _, check := range []func(*ssl.Config) error{(*ssl.Config).CheckClient, (*ssl.Config).CheckServer} {
				cfg := ssltest.ServerConfig(t)
				cfg.MinVersion, cfg.MaxVersion, cfg.SecurityLevel = ssl.VersionTLS10, highest, ssl.InsecureSecurityLevel0
				if err := check(cfg); !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(),
					"no suite for TLS 1.0") {
					t.Errorf("TLS 1.0 to %x: %v", highest, err)
				}
				cfg.CipherSuites = []uint16{ssltest.SuiteECDSACBC}
				if err := check(cfg); err != nil {
					t.Errorf("TLS 1.0 to %x, with a suite: %v", highest, err)
				}
			}
		}
	}},
	{"MinProtocol", "MinProtocol = TLSv1.3", func(t *testing.T) {
		explicit := func(c *ssl.Config) { c.MinVersion = ssl.VersionTLS12 }
		wantHello(t, "versions", helloOf(t, nil).SupportedVersions, []uint16{tls.VersionTLS13})
		wantHello(t, "versions", helloOf(t, explicit).SupportedVersions, []uint16{tls.VersionTLS13,
			tls.VersionTLS12})
		st, err := probe(t, nil, only12())
		wantProbe(t, "default", st, err, 0, 0)
		st, err = probe(t, explicit, only12())
		wantProbe(t, "explicit", st, err, tls.VersionTLS12, 0)
		for _, check := range []func(*ssl.Config) error{(*ssl.Config).CheckClient, (*ssl.Config).CheckServer} {
			cfg := ssltest.ServerConfig(t)
			cfg.MaxVersion = ssl.VersionTLS12
			if err := check(cfg); !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(), "MinProtocol") {
				t.Errorf("MaxVersion below MinProtocol: %v", err)
			}
		}
	}},
	{"MaxProtocol", "MaxProtocol = TLSv1.2", func(t *testing.T) {
		explicit := func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS13 }
		if h := helloOf(t, nil); slices.Contains(h.SupportedVersions, tls.VersionTLS13) {
			t.Errorf("the client offers %x", h.SupportedVersions)
		}
		wantHello(t, "versions", helloOf(t, explicit).SupportedVersions, []uint16{tls.VersionTLS13,
			tls.VersionTLS12})
		st, err := probe(t, nil, &tls.Config{})
		wantProbe(t, "default", st, err, tls.VersionTLS12, 0)
		st, err = probe(t, explicit, &tls.Config{})
		wantProbe(t, "explicit", st, err, tls.VersionTLS13, 0)
		cfg := ssltest.ClientConfig(t)
		cfg.MinVersion = ssl.VersionTLS13
		if err := cfg.CheckClient(); !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(),
			"MaxProtocol") {
			t.Errorf("MinVersion above MaxProtocol: %v", err)
		}
	}},
	{"Protocol", "Protocol = -TLSv1.3", func(t *testing.T) {
		explicit := func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS13 }
		st, err := probe(t, nil, &tls.Config{})
		wantProbe(t, "default", st, err, tls.VersionTLS12, 0)
		st, err = probe(t, explicit, &tls.Config{})
		wantProbe(t, "explicit", st, err, tls.VersionTLS13, 0)
		if h := helloOf(t, nil); slices.Contains(h.SupportedVersions, tls.VersionTLS13) {
			t.Errorf("the client offers %x", h.SupportedVersions)
		}
		wantHello(t, "versions", helloOf(t, explicit).SupportedVersions, []uint16{tls.VersionTLS13,
			tls.VersionTLS12})
		cfg := ssltest.ClientConfig(t)
		cfg.MinVersion = ssl.VersionTLS13
		if err := cfg.CheckClient(); err != nil {
			t.Errorf("an explicit MinVersion enables its version: %v", err)
		}
	}},
	{"no version", "Protocol = -TLSv1.3,-TLSv1.2", func(t *testing.T) {
		if err := ssltest.ClientConfig(t).CheckClient(); !errors.Is(err, ssl.ErrConfig) ||
			!strings.Contains(err.Error(), "openssl.cnf") {
			t.Errorf("no version is left: %v", err)
		}
	}},
	{"an old version that the level forbids", "MinProtocol = TLSv1\nCipherString = ECDHE+AESGCM:@SECLEVEL=2",
		func(t *testing.T) {
			st, err := probe(t, nil, &tls.Config{})
			wantProbe(t, "default", st, err, tls.VersionTLS13, 0)
			if err := ssltest.ClientConfig(t).CheckClient(); err != nil {
				t.Error(err)
			}
		}},
	{"old versions", "MinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0", func(t *testing.T) {
		old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
			CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}
		st, err := probe(t, nil, old)
		wantProbe(t, "default", st, err, tls.VersionTLS10, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA)
		st, err = probe(t, func(c *ssl.Config) { c.MinVersion = ssl.VersionTLS12 }, old.Clone())
		wantProbe(t, "explicit", st, err, 0, 0)
		if h := helloOf(t, nil); !slices.Contains(h.SupportedVersions, tls.VersionTLS10) {
			t.Errorf("the client offers %x", h.SupportedVersions)
		}
	}},
	{"Protocol names an old version", "Protocol = -ALL,TLSv1.1,TLSv1.2,TLSv1.3\nCipherString = ALL@SECLEVEL=0",
		func(t *testing.T) {
			wantHello(t, "versions", helloOf(t, nil).SupportedVersions, []uint16{tls.VersionTLS13, tls.VersionTLS12,
				tls.VersionTLS11})
		}},
	{"CipherString", "CipherString = ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
		func(t *testing.T) {
			explicit := func(c *ssl.Config) { c.CipherSuites = []uint16{ssltest.SuiteECDSAChaCha} }
			half := func(c *ssl.Config) { c.CipherSuites = []uint16{ssltest.SuiteAES256GCM13} }
			wantHello(t, "suites", suites12(helloOf(t, nil)), []uint16{ssltest.SuiteECDSAAES256,
				ssltest.SuiteECDSAAES128})
			wantHello(t, "suites", suites12(helloOf(t, half)), []uint16{ssltest.SuiteECDSAAES256,
				ssltest.SuiteECDSAAES128})
			wantHello(t, "suites", suites12(helloOf(t, explicit)), []uint16{ssltest.SuiteECDSAChaCha})
			st, err := probe(t, nil, only12())
			wantProbe(t, "default", st, err, tls.VersionTLS12, ssltest.SuiteECDSAAES256) // the server prefers it
			st, err = probe(t, explicit, only12())
			wantProbe(t, "explicit", st, err, tls.VersionTLS12, ssltest.SuiteECDSAChaCha)
		}},
	{"CipherString of libssl", "CipherString = DEFAULT", func(t *testing.T) {
		if h := helloOf(t, nil); !slices.Contains(h.CipherSuites, ssltest.SuiteECDSACBC) {
			t.Errorf("the client offers %x", h.CipherSuites)
		}
	}},
	{"Ciphersuites", "Ciphersuites = TLS_AES_256_GCM_SHA384", func(t *testing.T) {
		explicit := func(c *ssl.Config) { c.CipherSuites = []uint16{ssltest.SuiteAES128GCM13} }
		half := func(c *ssl.Config) { c.CipherSuites = []uint16{ssltest.SuiteECDSAAES128} }
		wantHello(t, "suites", suites13(helloOf(t, nil)), []uint16{ssltest.SuiteAES256GCM13})
		wantHello(t, "suites", suites13(helloOf(t, half)), []uint16{ssltest.SuiteAES256GCM13})
		wantHello(t, "suites", suites13(helloOf(t, explicit)), []uint16{ssltest.SuiteAES128GCM13})
		st, err := probe(t, nil, &tls.Config{})
		wantProbe(t, "default", st, err, tls.VersionTLS13, ssltest.SuiteAES256GCM13)
		st, err = probe(t, explicit, &tls.Config{})
		wantProbe(t, "explicit", st, err, tls.VersionTLS13, ssltest.SuiteAES128GCM13)
	}},
	{"ServerPreference",
		"CipherString = ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256\nOptions = -ServerPreference",
		func(t *testing.T) {
			st, err := probe(t, nil, only12()) // crypto/tls prefers AES-128, or ChaCha20 on machines without AES
			wantProbe(t, "default", st, err, tls.VersionTLS12, ssltest.SuiteECDSAAES128)
		}},
	{"SessionTicket", "Options = -SessionTicket", func(t *testing.T) {
		keys, err := ssl.NewTicketKeys(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		for what, want := range map[string]bool{"default": false, "explicit": true} {
			puts := &countingCache{}
			with := only12()
			with.ClientSessionCache = puts
			with.ServerName = "localhost"
			_, err := probe(t, func(c *ssl.Config) {
				if want {
					c.TicketKeys = keys
				}
			}, with)
			if err != nil || (puts.n > 0) != want {
				t.Errorf("%s: %d tickets of TLS 1.2, %v", what, puts.n, err)
			}
		}
	}},
	{"Groups", "Groups = P-384", func(t *testing.T) {
		explicit := func(c *ssl.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} }
		wantHello(t, "groups", helloOf(t, nil).SupportedCurves, []tls.CurveID{tls.CurveP384})
		wantHello(t, "groups", helloOf(t, explicit).SupportedCurves, []tls.CurveID{tls.X25519})
		for want, change := range map[tls.CurveID]func(*ssl.Config){tls.CurveP384: nil, tls.X25519: explicit} {
			st, err := probe(t, change, &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256,
				tls.CurveP384}})
			if err != nil || st.CurveID != want {
				t.Errorf("the server chose %v, want %v: %v", st.CurveID, want, err)
			}
		}
	}},
	{"SignatureAlgorithms",
		"SignatureAlgorithms = ecdsa_secp256r1_sha256\nClientSignatureAlgorithms = ecdsa_secp384r1_sha384",
		func(t *testing.T) {
			list := []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}
			explicit := func(c *ssl.Config) { c.SignatureSchemes = list }
			wantHello(t, "schemes", helloOf(t, nil).SignatureSchemes,
				[]tls.SignatureScheme{tls.ECDSAWithP256AndSHA256})
			wantHello(t, "schemes", helloOf(t, explicit).SignatureSchemes, list)
			for _, app := range []func(*ssl.Config){nil, explicit} {
				want := []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384}
				if app != nil {
					want = list
				}
				with := only12()
				var got []tls.SignatureScheme
				with.GetClientCertificate = func(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
					got = i.SignatureSchemes
					return &tls.Certificate{}, nil
				}
				_, err := probe(t, func(c *ssl.Config) {
					c.ClientAuth = ssl.RequestClientCert
					if app != nil {
						app(c)
					}
				}, with)
				if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("the server asks for %v, want %v: %v", got, want, err)
				}
			}
		}},
	{"level", "CipherString = DEFAULT@SECLEVEL=4", func(t *testing.T) {
		if err := ssltest.ServerConfig(t).CheckServer(); err == nil || !strings.Contains(err.Error(), "too small") {
			t.Errorf("P-256 at level 4: %v", err)
		}
		cfg := ssltest.ServerConfig(t)
		cfg.SecurityLevel = 2
		if err := cfg.CheckServer(); err != nil {
			t.Errorf("explicit: %v", err)
		}
		if h := helloOf(t, nil); slices.Contains(h.SupportedCurves, tls.X25519) {
			t.Errorf("the client offers %v at level 4", h.SupportedCurves)
		}
		if h := helloOf(t, func(c *ssl.Config) { c.SecurityLevel = 2 }); !slices.Contains(h.SupportedCurves,
			tls.X25519) {
			t.Errorf("the client offers %v at level 2", h.SupportedCurves)
		}
	}},
	{"VerifyMode", "VerifyMode = Require", func(t *testing.T) {
		if err := ssltest.ServerConfig(t).CheckServer(); !errors.Is(err, ssl.ErrConfig) ||
			!strings.Contains(err.Error(), "VerifyMode") {
			t.Errorf("without ClientCAs: %v", err)
		}
		cas := func(c *ssl.Config) { c.ClientCAs = ssltest.Roots(t, "ca") }
		own := ssltest.StdKeyPair(t, "client")
		for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			st, err := probe(t, cas, &tls.Config{MaxVersion: v})
			wantProbe(t, "without a certificate", st, err, 0, 0)
			st, err = probe(t, cas, &tls.Config{MaxVersion: v, Certificates: []tls.Certificate{own}})
			wantProbe(t, "with one", st, err, v, 0)
			st, err = probe(t, func(c *ssl.Config) { c.ClientAuth = ssl.RequestClientCert },
				&tls.Config{MaxVersion: v})
			wantProbe(t, "explicit", st, err, v, 0)
		}
		if err := ssltest.ClientConfig(t).CheckClient(); err != nil {
			t.Errorf("client: %v", err)
		}
	}},
	{"other options", "Options = -MiddleboxCompat,-EncryptThenMac,AllowNoDHEKEX," +
		"-ExtendedMasterSecret,KTLS,-CANames\nRecordPadding = 512", func(t *testing.T) {
		for _, v := range ssltest.Versions {
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.MaxVersion = v
			sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
			first := ssltest.Meet(t, cctx, sctx, nil)
			second := ssltest.Meet(t, cctx, sctx, ssltest.SessionOf(t, first.Client))
			if !second.Client.SessionReused() || !second.Server.SessionReused() {
				t.Errorf("%s: %v", ssl.VersionName(v), second.Client.ReuseState())
			}
		}
	}},
	{"NumTickets", "NumTickets = 5", func(t *testing.T) {
		for want, app := range map[int]int{5: 0, 1: 1} {
			cfg := ssltest.ServerConfig(t)
			cfg.NumTickets = app
			if s, err := ssltest.NewServerCtx(t, cfg).SessionSettings(); err != nil || s.NumTickets != want {
				t.Errorf("%d tickets, want %d: %v", s.NumTickets, want, err)
			}
			cfg.VerifyConnection = func(ssl.ConnectionState) error { return nil } // its tickets come from Go
			if s, err := ssltest.NewServerCtx(t, cfg).SessionSettings(); err != nil || s.NumTickets != want {
				t.Errorf("%d tickets with VerifyConnection, want %d: %v", s.NumTickets, want, err)
			}
		}
	}},
	{"keys in TLS 1.2", "CipherString = DEFAULT", func(t *testing.T) {
		key := ssltest.NewPSK(t, "id", ssltest.PSKKey)
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.PSKs, cli.PSKs, srv.MaxVersion = []ssl.PSK{key}, []ssl.PSK{key}, ssl.VersionTLS12
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		if id := p.Server.ConnectionState().PSKIdentity; id != "id" {
			t.Errorf("the identity is %q", id)
		}
		p.CloseBoth()
	}},
	{"no keys in TLS 1.2", "CipherString = ECDHE-ECDSA-AES128-GCM-SHA256\nCiphersuites = TLS_AES_256_GCM_SHA384",
		func(t *testing.T) {
			cfg := ssltest.ServerConfig(t)
			cfg.PSKs, cfg.MaxVersion = []ssl.PSK{ssltest.NewPSK(t, "id", ssltest.PSKKey)}, ssl.VersionTLS12
			if err := cfg.CheckServer(); !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(),
				"CipherString") {
				t.Errorf("no suite for keys: %v", err)
			}
			cfg.MaxVersion = ssl.VersionTLS13
			if err := cfg.CheckServer(); !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(), "SHA-384") {
				t.Errorf("a key of another hash: %v", err)
			}
		}},
}

// countingCache counts the sessions that crypto/tls was given.
type countingCache struct{ n int }

func (c *countingCache) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (c *countingCache) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.n++
	}
}
