package config_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// combinations that OpenSSL takes one by one, and that never come to a connection.
var combinations = []struct {
	what   string
	change func(*ssl.Config)
	server string // what the refusal of a server names, "" if there is none
	client string
}{
	{"TLS 1.3 suites up to TLS 1.2", func(c *ssl.Config) {
		c.CipherSuites, c.MaxVersion = []uint16{ssltest.SuiteAES128GCM13, ssltest.SuiteAES256GCM13},
			ssl.VersionTLS12
	}, "CipherSuites has no suite for TLS 1.2", "CipherSuites has no suite for TLS 1.2"},
	{"TLS 1.2 suites from TLS 1.3 on", func(c *ssl.Config) {
		c.CipherSuites, c.MinVersion = []uint16{ssltest.SuiteECDSAAES128}, ssl.VersionTLS13
	}, "CipherSuites has no suite for TLS 1.3", "CipherSuites has no suite for TLS 1.3"},
	{"suites for another key", func(c *ssl.Config) {
		c.CipherSuites = []uint16{ssltest.SuiteRSAAES128,
			ssltest.SuiteRSAAES256}
	},
		"Certificates, which are EC", ""},
	{"suites for another key, besides TLS 1.3",
		func(c *ssl.Config) { c.CipherSuites = []uint16{ssltest.SuiteAES128GCM13, ssltest.SuiteRSAAES128} },
		"CipherSuites has suites for TLS 1.2, but none", ""},
	{"suites for both keys", func(c *ssl.Config) {
		c.CipherSuites = []uint16{ssltest.SuiteRSAAES128,
			ssltest.SuiteECDSAAES128}
	}, "", ""},
	{"a suite that the level disables", func(c *ssl.Config) {
		c.CipherSuites, c.SecurityLevel = []uint16{ssltest.SuiteECDSAAES128, ssltest.SuiteStaticRSA}, 3
	}, "AES128-GCM-SHA256, which security level 3 disables",
		"AES128-GCM-SHA256, which security level 3 disables"},
	{"a suite without encryption", func(c *ssl.Config) { c.CipherSuites = []uint16{ssltest.SuiteNULL} },
		"NULL-SHA256, which security level", "NULL-SHA256, which security level"},
	{"a suite that needs parameters", func(c *ssl.Config) {
		c.CipherSuites = []uint16{ssltest.SuiteECDSAAES128,
			ssltest.SuiteDHE}
	},
		"DHE-RSA-AES128-GCM-SHA256, whose key exchange", ""},
	{"a suite that needs a PSK", func(c *ssl.Config) {
		c.CipherSuites = []uint16{ssltest.SuiteECDSAAES128,
			ssltest.SuitePSK}
	},
		"PSK-AES128-GCM-SHA256, whose key exchange", "PSK-AES128-GCM-SHA256, whose key exchange"},
	{"level too high for TLS 1.0", func(c *ssl.Config) { c.MinVersion, c.SecurityLevel = ssl.VersionTLS10, 3 },
		"MinVersion TLS 1.0: security level 3 forbids TLS 1.",
		"MinVersion TLS 1.0: security level 3 forbids TLS 1."},
	{"TLS 1.0 with all that it needs", func(c *ssl.Config) {
		c.MinVersion, c.MaxVersion, c.SecurityLevel = ssl.VersionTLS10, ssl.VersionTLS11, ssl.InsecureSecurityLevel0
		c.CipherSuites = []uint16{ssltest.SuiteECDSACBC}
	}, "", ""},
	{"a level below 0", func(c *ssl.Config) { c.SecurityLevel = -2 }, "SecurityLevel is -2",
		"SecurityLevel is -2"},
	{"a level above 5", func(c *ssl.Config) { c.SecurityLevel = 6 }, "SecurityLevel is 6", "SecurityLevel is 6"},
	{"a group twice", func(c *ssl.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.X25519} },
		"X25519 twice", "X25519 twice"},
	{"a group that the level disables", func(c *ssl.Config) {
		c.CurvePreferences, c.SecurityLevel = []tls.CurveID{tls.CurveP384, tls.X25519}, 4
		c.Certificates = nil // P-256 would be refused first
	}, "Certificates", "X25519, which security level 4 disables"},
	{"groups of TLS 1.3 up to TLS 1.2", func(c *ssl.Config) {
		c.CurvePreferences, c.MaxVersion = []tls.CurveID{tls.X25519MLKEM768}, ssl.VersionTLS12
	}, "CurvePreferences has no group for TLS 1.2", "CurvePreferences has no group for TLS 1.2"},
	{"a scheme twice", func(c *ssl.Config) {
		c.SignatureSchemes = []tls.SignatureScheme{tls.Ed25519,
			tls.Ed25519}
	}, "ed25519 twice", "ed25519 twice"},
	{"schemes for other keys", func(c *ssl.Config) {
		c.SignatureSchemes = []tls.SignatureScheme{tls.PSSWithSHA256, ssltest.SchemeRSAPSSPSS256}
	}, "SignatureSchemes has none for the keys in Certificates, which are EC", ""},
	{"schemes of TLS 1.2 from TLS 1.3 on", func(c *ssl.Config) {
		c.SignatureSchemes, c.MinVersion = []tls.SignatureScheme{tls.PKCS1WithSHA256}, ssl.VersionTLS13
	}, "SignatureSchemes has none for TLS 1.3", "SignatureSchemes has none for TLS 1.3"},
	{"a scheme with SHA-1", func(c *ssl.Config) {
		c.SignatureSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithSHA1}
	}, "ECDSA+SHA1, which security level", "ECDSA+SHA1, which security level"},
}

// What cannot work together is refused when the Ctx is made, with the field and the reason;
// CheckClient and CheckServer say the same.
func TestCheckConfig(t *testing.T) {
	for _, c := range combinations {
		t.Run(c.what, func(t *testing.T) {
			leakcheck.Test(t)
			before := ssl.ReadCounters()
			for _, end := range []struct {
				name  string
				cfg   *ssl.Config
				want  string
				make  func(*ssl.Config) (*ssl.Ctx, error)
				check func(*ssl.Config) error
			}{
				{"server", ssltest.ServerConfig(t), c.server, ssl.NewServerCtx, (*ssl.Config).CheckServer},
				{"client", ssltest.ClientConfig(t), c.client, ssl.NewClientCtx, (*ssl.Config).CheckClient},
			} {
				c.change(end.cfg)
				ctx, err := end.make(end.cfg)
				ctx.Close()
				checked := end.check(end.cfg)
				if end.want == "" {
					if err != nil || checked != nil {
						t.Errorf("%s: %v and %v, want a Ctx", end.name, err, checked)
					}
					continue
				}
				ssltest.Refuses(t, end.name, err, ssl.ErrConfig)
				ssltest.Refuses(t, end.name+", checked", checked, ssl.ErrConfig)
				if err == nil || checked == nil {
					continue
				}
				if !strings.Contains(err.Error(), end.want) {
					t.Errorf("%s: %q does not say %q", end.name, err, end.want)
				}
				if a, b := reasonOf(err), reasonOf(checked); a != b {
					t.Errorf("%s: made %q, checked %q", end.name, a, b)
				}
			}
			if got := ssltest.Since(before); got.Ctxs != 0 {
				t.Errorf("left behind: %+v", got)
			}
		})
	}
}

// reasonOf is the error without the name of the operation.
func reasonOf(err error) string {
	var e *ssl.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return e.Err.Error()
}

func TestCheckNilConfig(t *testing.T) {
	leakcheck.Test(t)
	var none *ssl.Config
	if err := none.CheckClient(); err != nil {
		t.Errorf("a nil Config is a client's default: %v", err)
	}
	ssltest.Refuses(t, "server", none.CheckServer(), ssl.ErrNil)
}

// Level 5 wants 256 bits: a certificate on P-256 is refused by name.
func TestSecurityLevelRefusesCertificates(t *testing.T) {
	leakcheck.Test(t)
	cfg := ssltest.ServerConfig(t)
	cfg.SecurityLevel = 5
	err := cfg.CheckServer()
	ssltest.Refuses(t, "P-256 at level 5", err, ssl.ErrConfig)
	if err != nil && !strings.Contains(err.Error(), "ee key too small") {
		t.Errorf("%q does not say why", err)
	}
}

// What this package or the library has never heard of is ErrUnsupported, by number.
func TestUnknownParameters(t *testing.T) {
	leakcheck.Test(t)
	for what, change := range map[string]func(*ssl.Config){
		"group 9":       func(c *ssl.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, 9} },
		"0xFFFF":        func(c *ssl.Config) { c.SignatureSchemes = []tls.SignatureScheme{0xFFFF} },
		"group 0":       func(c *ssl.Config) { c.CurvePreferences = []tls.CurveID{0} },
		"0x0000":        func(c *ssl.Config) { c.SignatureSchemes = []tls.SignatureScheme{tls.Ed25519, 0} },
		"does not know": func(c *ssl.Config) { c.CurvePreferences = make([]tls.CurveID, 1<<16) },
	} {
		cfg := ssltest.ClientConfig(t)
		change(cfg)
		err := cfg.CheckClient()
		ssltest.Refuses(t, what, err, ssl.ErrUnsupported)
		if err != nil && !strings.Contains(err.Error(), what) {
			t.Errorf("%q does not name %s", err, what)
		}
	}
}
