package psk_test

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// forEachPSK runs f for both versions with a server that has no certificate, and a client
// that takes none.
func forEachPSK(t *testing.T, f func(t *testing.T, srv, cli *ssl.Config)) {
	for _, v := range ssltest.Versions {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			k := ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)
			f(t, &ssl.Config{PSKs: []ssl.PSK{k}, MaxVersion: v}, &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true,
				MaxVersion: v})
		})
	}
}

func TestPSKValidation(t *testing.T) {
	leakcheck.Test(t)
	long := strings.Repeat("i", 1025)
	for _, tc := range []struct {
		name, identity string
		key            []byte
		hash           crypto.Hash
		want           error
	}{
		{"no identity", "", ssltest.PSKKey, 0, ssl.ErrConfig},
		{"no key", "a", nil, 0, ssl.ErrConfig},
		{"15 bytes", "a", ssltest.PSKKey[:15], 0, ssl.ErrConfig},
		{"16 bytes", "a", ssltest.PSKKey[:16], 0, nil},
		{"longest identity", long[1:], ssltest.PSKKey, 0, nil},
		{"identity too long", long, ssltest.PSKKey, 0, ssl.ErrTooLarge},
		{"key too long", "a", make([]byte, 513), 0, ssl.ErrTooLarge},
		{"longest key of 1.1.1", "a", make([]byte, 256), 0, nil},
		{"SHA-384", "a\x00b", ssltest.PSKKey, crypto.SHA384, nil},
		{"SHA-1", "a", ssltest.PSKKey, crypto.SHA1, ssl.ErrConfig},
	} {
		k, err := ssl.NewPSK(tc.identity, tc.key, tc.hash)
		if !errors.Is(err, tc.want) || (tc.want == nil) != (err == nil) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err == nil && (k.Identity() != tc.identity || k.Hash() != max(tc.hash, crypto.SHA256)) {
			t.Errorf("%s: %v", tc.name, k)
		}
	}
	if _, err := ssl.NewInsecureShortPSK("a", []byte{1}, 0); err != nil {
		t.Error(err)
	}
	if _, err := ssl.NewInsecureShortPSK("a", nil, 0); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("an empty key: %v", err)
	}
}

// No way of printing a key, or an error about it, shows any of it.
func TestPSKIsRedacted(t *testing.T) {
	leakcheck.Test(t)
	k := ssltest.NewPSK(t, "who\n", ssltest.PSKKey)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "psk", k, "zero", ssl.PSK{})
	_, short := ssl.NewPSK("who", ssltest.PSKKey[:8], 0)
	cfg := &ssl.Config{PSKs: []ssl.PSK{k, k}}
	text := fmt.Sprintf("%v %+v %#v %s %q %v %v %v", k, k, k, k, k, short, cfg.CheckServer(), ssl.PSK{}) +
		log.String()
	for _, secret := range []string{string(ssltest.PSKKey[:8]), fmt.Sprintf("%x", ssltest.PSKKey[:8]),
		fmt.Sprint(ssltest.PSKKey[:8])[1:20]} {
		if strings.Contains(text, secret) {
			t.Errorf("%q has the key", text)
		}
	}
	if !strings.Contains(k.String(), `"who\n"`) || strings.Contains(k.String(), "\n") {
		t.Errorf("the identity is not quoted: %s", k)
	}
}

// What a Config with keys must not be.
func TestPSKConfig(t *testing.T) {
	leakcheck.Test(t)
	k, k384 := ssltest.NewPSK(t, "a", ssltest.PSKKey), must384(t)
	nul := ssltest.NewPSK(t, "a\x00b", ssltest.PSKKey)
	get := func(*ssl.ClientHelloInfo, string) (ssl.PSK, error) { return ssl.PSK{}, nil }
	one := []ssl.PSK{k}
	for name, tc := range map[string]struct {
		server bool
		cfg    ssl.Config
		want   string // "" for none
	}{
		"server":                   {true, ssl.Config{PSKs: one}, ""},
		"GetPSK":                   {true, ssl.Config{GetPSK: get}, ""},
		"client":                   {false, ssl.Config{PSKs: one, PSKOnly: true}, ""},
		"client with certificates": {false, ssl.Config{PSKs: one, ServerName: "a"}, ""},
		"SHA-384 first":            {true, ssl.Config{PSKs: []ssl.PSK{k384}, CipherSuites: []uint16{0x1302}}, ""},
		"SHA-384 in TLS 1.2":       {true, ssl.Config{PSKs: []ssl.PSK{k384}, MaxVersion: ssl.VersionTLS12}, ""},
		"zero byte":                {true, ssl.Config{PSKs: []ssl.PSK{nul}}, ""},
		"plain suite":              {true, ssl.Config{PSKs: one, CipherSuites: []uint16{0xa8}}, ""},
		"empty key":                {true, ssl.Config{PSKs: []ssl.PSK{{}}}, "PSK 0 in PSKs is empty"},
		"twice": {true,
			ssl.Config{PSKs: []ssl.PSK{k, ssltest.NewPSK(t, "a", ssltest.OtherKey())}}, `PSKs has "a" twice`},
		"two of a client": {false, ssl.Config{PSKs: []ssl.PSK{k, nul}, PSKOnly: true},
			"a client offers one"},
		"SHA-384 behind": {true, ssl.Config{PSKs: []ssl.PSK{k384}},
			"begin CipherSuites with one that fits"},
		"SHA-256 behind": {false, ssl.Config{PSKs: one, PSKOnly: true, CipherSuites: []uint16{0x1302,
			0x1301}}, "begin CipherSuites with one that fits"},
		"zero byte in TLS 1.2": {true, ssl.Config{PSKs: []ssl.PSK{nul}, MaxVersion: ssl.VersionTLS12},
			"cannot be used in TLS 1.2"},
		"TLS 1.1": {true, ssl.Config{PSKs: one, MinVersion: ssl.VersionTLS10,
			MaxVersion: ssl.VersionTLS11, SecurityLevel: ssl.InsecureSecurityLevel0}, "PSKs need TLS 1.2"},
		"GetPSK in TLS 1.2": {true, ssl.Config{GetPSK: get, MaxVersion: ssl.VersionTLS12},
			"never asked before TLS 1.3"},
		"GetPSK of a client": {false, ssl.Config{GetPSK: get, ServerName: "a"}, "GetPSK is for servers"},
		"PSKOnly without":    {false, ssl.Config{PSKOnly: true}, "PSKOnly has no effect"},
		"PSKOnly server":     {true, ssl.Config{PSKs: one, PSKOnly: true}, "PSKOnly is for clients"},
		"PSKOnly with roots": {false, ssl.Config{PSKs: one, PSKOnly: true, RootCAs: ssl.NewCertPool()},
			"PSKOnly accepts no certificate"},
		"InsecureSkipVerify": {false, ssl.Config{PSKs: one, InsecureSkipVerify: true}, "undoes PSKs"},
		"demanded certificate": {true, ssl.Config{PSKs: one, ClientAuth: ssl.RequireAndVerifyClientCert,
			ClientCAs: ssltest.Roots(t, "ca")}, "InsecurePSKInsteadOfClientCert"},
		"any certificate": {true, ssl.Config{PSKs: one, ClientAuth: ssl.RequireAnyClientCert},
			"InsecurePSKInsteadOfClientCert"},
		"demanded, and GetPSK": {true, ssl.Config{GetPSK: get, ClientAuth: ssl.RequireAnyClientCert},
			"InsecurePSKInsteadOfClientCert"},
		"instead": {true, ssl.Config{PSKs: one, ClientAuth: ssl.RequireAnyClientCert,
			InsecurePSKInsteadOfClientCert: true}, ""},
		"instead of nothing": {true, ssl.Config{PSKs: one, InsecurePSKInsteadOfClientCert: true},
			"no effect"},
		"hint without keys": {true, ssl.Config{Certificates: ssltest.KeyPairs(t, []string{"server-ecdsa"}),
			PSKIdentityHint: "a"}, "no effect"},
		"hint of a client": {false, ssl.Config{PSKs: one, PSKOnly: true, PSKIdentityHint: "a"},
			"for servers"},
		"hint too long": {true, ssl.Config{PSKs: one, PSKIdentityHint: strings.Repeat("h", 257)},
			"PSKIdentityHint has 257 bytes"},
		"suites for keys, and none": {false, ssl.Config{ServerName: "a", CipherSuites: []uint16{0xccac}},
			"PSKs for TLS 1.2"},
	} {
		check := tc.cfg.CheckClient
		if tc.server {
			check = tc.cfg.CheckServer
		}
		err := check()
		if tc.want == "" && err != nil || tc.want != "" && (!errors.Is(err, ssl.ErrConfig) ||
			!strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func must384(t testing.TB) ssl.PSK {
	t.Helper()
	k, err := ssl.NewPSK("for SHA-384", ssltest.PSKKey, crypto.SHA384)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Each operation on keys, by what it leaves in memory.
func TestOwnershipPSK(t *testing.T) {
	leakcheck.Test(t)
	leakcheck.Collect()
	var k ssl.PSK
	var cctx, sctx, ask *ssl.Ctx
	var p ssltest.Pair
	cfg := &ssl.Config{PSKOnly: true, MinVersion: ssl.VersionTLS13}
	for _, s := range []struct {
		op   string
		do   func() error
		want int
	}{
		{"NewPSK", func() (err error) { k, err = ssl.NewPSK(ssltest.PSKName, ssltest.PSKKey, 0); return err }, 1},
		{"NewPSK of too little", func() error { ssl.NewPSK(ssltest.PSKName, ssltest.PSKKey[:1], 0); return nil },
			0},
		{"NewClientCtx", func() (err error) {
			cfg.PSKs = []ssl.PSK{k}
			cctx,
				err = ssl.NewClientCtx(cfg)
			return err
		}, 0},
		{"NewServerCtx", func() (err error) {
			sctx,
				err = ssl.NewServerCtx(&ssl.Config{PSKs: []ssl.PSK{k}})
			return err
		}, 0},
		{"GetPSK", func() (err error) {
			ask, err = ssl.NewServerCtx(&ssl.Config{GetPSK: func(*ssl.ClientHelloInfo, string) (ssl.PSK, error) {
				return ssl.NewPSK(ssltest.PSKName, ssltest.PSKKey, 0)
			}})
			return err
		}, 0},
		{"a handshake with the table",
			func() error { p = ssltest.Meet(t, cctx, sctx, nil); p.CloseBoth(); return nil }, 0},
		{"a handshake with GetPSK",
			func() error { p = ssltest.Meet(t, cctx, ask, nil); leakcheck.Collect(); return nil }, 0},
		{"the application's last copy", func() error {
			k, cfg.PSKs = ssl.PSK{},
				nil
			leakcheck.Collect()
			return nil
		}, 0},
		{"one Ctx", func() error { p.CloseBoth(); ask.Close(); return cctx.Close() }, 0},
		{"the other", func() error { return sctx.Close() }, -1},
	} {
		before := ssl.ReadCounters()
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.op, err)
		}
		after := ssl.ReadCounters()
		live := func(c ssl.Counters) int { return int(c.PSKObjectsCreated - c.PSKObjectsWiped) }
		if got := live(after) - live(before); got != s.want {
			t.Errorf("%s: %+d keys, want %+d", s.op, got, s.want)
		}
	}
}
