package config_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Each changes one thing in a configuration that works.
var badConfigs = []struct {
	what       string
	change     func(*ssl.Config)
	server     bool // refused for a server
	client     bool // refused for a client
	want       error
	wantInText string
}{
	{"no certificate", func(c *ssl.Config) { c.Certificates = nil }, true, false, ssl.ErrConfig, "certificate"},
	{"an empty certificate", func(c *ssl.Config) { c.Certificates = []ssl.Certificate{{}} }, true, true,
		ssl.ErrConfig, "empty"},
	{"versions crossed", func(c *ssl.Config) { c.MinVersion, c.MaxVersion = ssl.VersionTLS13, ssl.VersionTLS12 },
		true, true, ssl.ErrConfig, "TLS 1.3"},
	{"maximum below the default minimum", func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS11 }, true, true,
		ssl.ErrConfig, "MinVersion"},
	{"SSL 3", func(c *ssl.Config) { c.MinVersion = 0x0300 }, true, true, ssl.ErrConfig, "0x0300"},
	{"a version from the future", func(c *ssl.Config) { c.MinVersion = 0x0305 }, true, true, ssl.ErrConfig,
		"0x0305"},
	{"maximum from the future", func(c *ssl.Config) { c.MaxVersion = 0x7F1C }, true, true, ssl.ErrConfig,
		"0x7F1C"},
	{"DTLS", func(c *ssl.Config) { c.MinVersion, c.MaxVersion = 0xFEFD, 0xFEFD }, true, true, ssl.ErrConfig,
		"0xFEFD"},
	{"a long id context", func(c *ssl.Config) { c.SessionIDContext = make([]byte, 33) }, true, true,
		ssl.ErrConfig, "33"},
	{"a huge id context", func(c *ssl.Config) { c.SessionIDContext = make([]byte, 1<<20) }, true, true,
		ssl.ErrConfig, "32"},
	{"a negative timeout", func(c *ssl.Config) { c.SessionTimeout = -1 }, true, true, ssl.ErrConfig,
		"SessionTimeout"},
	{"negative ClientAuth", func(c *ssl.Config) { c.ClientAuth = -1 }, true, true, ssl.ErrConfig, "ClientAuth"},
	{"unknown ClientAuth", func(c *ssl.Config) { c.ClientAuth = ssl.RequireAndVerifyClientCert + 1 }, true, true,
		ssl.ErrConfig, "ClientAuth"},
	{"verification without roots", func(c *ssl.Config) { c.ClientAuth = ssl.VerifyClientCertIfGiven }, true,
		true, ssl.ErrConfig, "ClientAuth"},
	{"demand without roots", func(c *ssl.Config) { c.ClientAuth = ssl.RequireAndVerifyClientCert }, true, true,
		ssl.ErrConfig, "ClientAuth"},
	{"an unknown suite", func(c *ssl.Config) { c.CipherSuites = []uint16{0x1301, 0x0A0A} }, true, true,
		ssl.ErrUnsupported, "0x0A0A"},
	{"lists, but none", func(c *ssl.Config) { c.CRLs = [][]byte{} }, true, true, ssl.ErrConfig, "CRLs is empty"},
	{"a chain check without lists", func(c *ssl.Config) { c.CRLCheckChain = true }, true, true, ssl.ErrConfig,
		"CRLCheckChain"},
	{"unknown purpose", func(c *ssl.Config) { c.VerifyPurpose = 4 }, true, true, ssl.ErrConfig, "VerifyPurpose"},
	{"negative purpose", func(c *ssl.Config) { c.VerifyPurpose = -1 }, true, true, ssl.ErrConfig,
		"VerifyPurpose"},
	{"absurd depth", func(c *ssl.Config) { c.VerifyDepth = 101 }, true, true, ssl.ErrConfig, "VerifyDepth"},
	{"suite zero", func(c *ssl.Config) { c.CipherSuites = []uint16{0} }, true, true, ssl.ErrUnsupported,
		"0x0000"},
}

func TestBadConfigs(t *testing.T) {
	for _, bad := range badConfigs {
		t.Run(bad.what, func(t *testing.T) {
			leakcheck.Test(t)
			before := ssl.ReadCounters()
			for _, end := range []struct {
				name    string
				cfg     *ssl.Config
				refused bool
				make    func(*ssl.Config) (*ssl.Ctx, error)
			}{
				{"server", ssltest.ServerConfig(t), bad.server, ssl.NewServerCtx},
				{"client", ssltest.ClientConfig(t), bad.client, ssl.NewClientCtx},
			} {
				bad.change(end.cfg)
				ctx, err := end.make(end.cfg)
				if !end.refused {
					if err != nil {
						t.Errorf("%s: %v, want a Ctx", end.name, err)
					}
					ctx.Close()
					continue
				}
				ssltest.Refuses(t, end.name, err, bad.want)
				if ctx != nil {
					t.Errorf("%s: a Ctx and an error", end.name)
				} else if !strings.Contains(err.Error(), bad.wantInText) {
					t.Errorf("%s: %q does not say %q", end.name, err, bad.wantInText)
				}
			}
			if got := ssltest.Since(before); got.Ctxs != 0 {
				t.Errorf("left behind: %+v", got)
			}
		})
	}
}

// What stands at the limit is not refused.
func TestConfigsAtTheLimit(t *testing.T) {
	leakcheck.Test(t)
	for what, change := range map[string]func(*ssl.Config){
		"nothing":             func(*ssl.Config) {},
		"an id context of 32": func(c *ssl.Config) { c.SessionIDContext = make([]byte, 32) },
		"a timeout of 1 ns":   func(c *ssl.Config) { c.SessionTimeout = 1 },
		"a long timeout":      func(c *ssl.Config) { c.SessionTimeout = 100 * 365 * 24 * time.Hour },
		"one version": func(c *ssl.Config) {
			c.MinVersion, c.MaxVersion = ssl.VersionTLS13,
				ssl.VersionTLS13
		},
		"no tickets": func(c *ssl.Config) { c.NumTickets = -1 },
		"verification with roots": func(c *ssl.Config) {
			c.ClientAuth, c.ClientCAs = ssl.RequireAndVerifyClientCert,
				ssl.NewCertPool()
		},
	} {
		cfg := ssltest.ServerConfig(t)
		change(cfg)
		ssltest.NewServerCtx(t, cfg).Close()
		cfg = ssltest.ClientConfig(t)
		change(cfg)
		cfg.ClientAuth, cfg.ClientCAs = ssl.NoClientCert, nil // a client's cannot have them
		if ctx, err := ssl.NewClientCtx(cfg); err != nil {
			t.Errorf("%s: %v", what, err)
		} else {
			ctx.Close()
		}
	}
}

func TestBadServerNames(t *testing.T) {
	leakcheck.Test(t)
	for what, name := range map[string]string{
		"none": "", "a dot": ".", "256 bytes": strings.Repeat("a", 256), "NUL": "local\x00host",
		"a space": "local host", "a line": "localhost\n",
	} {
		cfg := ssltest.ClientConfig(t)
		cfg.ServerName = name
		ctx, err := ssl.NewClientCtx(cfg)
		if err != nil { // all but those that may still come from an address
			ssltest.Refuses(t, what, err, ssl.ErrConfig)
			continue
		}
		defer ctx.Close()
		a, b := ssltest.TCPPipe(t)
		c, err := ssl.Client(a, ctx)
		ssltest.Refuses(t, what, err, ssl.ErrConfig)
		if c != nil {
			t.Errorf("%s: a Conn and an error", what)
		}
		b.Close()
	}
}

func TestBadKeyPairs(t *testing.T) {
	leakcheck.Test(t)
	cert, key := ssltest.ReadFile(t, "server-ecdsa.pem"), ssltest.ReadFile(t, "server-ecdsa.key")
	block := func(kind string, headers map[string]string) []byte {
		b, _ := pem.Decode(key)
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: b.Bytes})
	}
	garbage := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("garbage")})
	badCert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("garbage")})
	for what, c := range map[string]struct {
		cert, key []byte
		want      error
	}{
		"no certificate":           {nil, key, ssl.ErrMalformed},
		"no key":                   {cert, nil, ssl.ErrMalformed},
		"neither":                  {nil, nil, ssl.ErrMalformed},
		"a key for a certificate":  {key, key, ssl.ErrMalformed},
		"a certificate for a key":  {cert, cert, ssl.ErrMalformed},
		"a certificate of garbage": {badCert, key, ssl.ErrMalformed},
		"a good and a bad one":     {append(bytes.Clone(cert), badCert...), key, ssl.ErrMalformed},
		"a truncated certificate":  {cert[:len(cert)/2], key, ssl.ErrMalformed},
		"a key of garbage":         {cert, garbage, ssl.ErrMalformed},
		"a key in DER of garbage":  {cert, []byte("garbage"), ssl.ErrMalformed},
		"another's key":            {cert, ssltest.ReadFile(t, "client.key"), ssl.ErrConfig},
		"another sort of key":      {cert, ssltest.ReadFile(t, "server-rsa.key"), ssl.ErrConfig},
		"an encrypted key":         {cert, ssltest.ReadFile(t, "server-ecdsa.enc.key"), ssl.ErrPassword},
		"a key encrypted by header": {cert, block("EC PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED",
			"DEK-Info": "AES-256-CBC,00"}), ssl.ErrMalformed},
		"5 MB":          {make([]byte, 5<<20), key, ssl.ErrMalformed},
		"a key of 5 MB": {cert, make([]byte, 5<<20), ssl.ErrMalformed},
	} {
		got, err := ssl.X509KeyPair(c.cert, c.key)
		ssltest.Refuses(t, what, err, c.want)
		if got.String() != "ssl.Certificate{}" {
			t.Errorf("%s: a certificate and an error", what)
		}
		if err != nil && strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%s: the error quotes the key: %v", what, err)
		}
	}
}

func TestUnreadableFiles(t *testing.T) {
	leakcheck.Test(t)
	missing := filepath.Join(t.TempDir(), "missing")
	_, certErr := ssl.LoadX509KeyPair(missing, ssltest.CertFile("ca.key"))
	_, keyErr := ssl.LoadX509KeyPair(ssltest.CertFile("ca.pem"), missing)
	_, otherErr := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-rsa.key"))
	_, dirErr := ssl.LoadX509KeyPair(t.TempDir(), ssltest.CertFile("ca.key"))
	ssltest.RefusesAll(t, []ssltest.Refusal{
		{"no certificate file", certErr, fs.ErrNotExist},
		{"no key file", keyErr, fs.ErrNotExist},
		{"key of another", otherErr, ssl.ErrConfig},
		{"pool of no file", ssltest.ErrorAlone(ssl.LoadCertPool(missing)), fs.ErrNotExist},
		{"pool of a key", ssltest.ErrorAlone(ssl.LoadCertPool(ssltest.CertFile("ca.key"))), ssl.ErrMalformed},
		{"append nothing", ssl.NewCertPool().AppendCerts(nil), ssl.ErrMalformed},
		{"append text", ssl.NewCertPool().AppendCerts([]byte("text")), ssl.ErrMalformed},
	})
	var perr *fs.PathError
	if dirErr == nil || !errors.As(dirErr, &perr) {
		t.Errorf("a directory for a file: %v", dirErr)
	}
	for _, form := range [][2]string{{"server-ecdsa.pem", "server-ecdsa.key"},
		{"server-ecdsa.der", "server-ecdsa.key.der"}, {"server-ecdsa.der", "server-ecdsa.key"}} {
		if _, err := ssl.LoadX509KeyPair(ssltest.CertFile(form[0]), ssltest.CertFile(form[1])); err != nil {
			t.Errorf("%v: %v", form, err)
		}
	}
}

// An encrypted block is refused without asking for its password.
func TestEncryptedPEMDoesNotAsk(t *testing.T) {
	leakcheck.Test(t)
	text := pem.EncodeToMemory(&pem.Block{
		Type: ssltest.PEMType, Bytes: make([]byte, 64),
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED",
			"DEK-Info": "AES-256-CBC,00112233445566778899AABBCCDDEEFF"},
	})
	err := ssltest.ErrorAlone(ssl.ParseSessionPEM(text))
	ssltest.Refuses(t, "encrypted", err, ssl.ErrMalformed)
	var e *ssl.Error
	if !errors.As(err, &e) || len(e.Entries) == 0 || e.Entries[0].Reason != "bad password read" {
		t.Errorf("the first thing that went wrong was to be the password: %+v", e.Entries)
	}
}
