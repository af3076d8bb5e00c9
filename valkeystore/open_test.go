package valkeystore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func sealKey(b byte) []byte {
	key := make([]byte, ssl.SealKeyLen)
	for i := range key {
		key[i] = b + byte(i)
	}
	return key
}

func sealKeys(t testing.TB, b byte) *ssl.SealKeys {
	t.Helper()
	k, err := ssl.NewSealKeys(sealKey(b))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// What cannot work is refused at once, with the name of what is wrong and without the password.
func TestOpenRefuses(t *testing.T) {
	leakcheck.Test(t)
	good := func() *Options { return &Options{SealKeys: sealKeys(t, 1)} }
	closed := sealKeys(t, 2)
	closed.Close()
	server := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	client := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	gone := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	gone.Close()
	const url = "valkey://fleet:hunter2@127.0.0.1:1/shop"
	const secure = "valkeys://fleet:hunter2@127.0.0.1:1/shop"
	with := func(f func(*Options)) *Options { o := good(); f(o); return o }
	for _, tc := range []struct {
		url  string
		opts *Options
		is   error
		text string
	}{
		{url, nil, ssl.ErrNil, "Options"},
		{url, &Options{}, ssl.ErrConfig, "Options.SealKeys"},
		{url, &Options{SealKeys: closed}, ssl.ErrClosed, "Options.SealKeys"},
		{secure, with(func(o *Options) { o.Ctx = server }), ssl.ErrConfig, "Options.Ctx is a server's"},
		{secure, with(func(o *Options) { o.Ctx = gone }), ssl.ErrClosed, "Options.Ctx"},
		{url, with(func(o *Options) { o.Ctx = client }), ssl.ErrConfig, "Options.Ctx is for TLS"},
		{url, with(func(o *Options) { o.Timeout = time.Millisecond }), ssl.ErrConfig, "Options.Timeout"},
		{url, with(func(o *Options) { o.Timeout = time.Hour }), ssl.ErrConfig, "Options.Timeout"},
		{"valkey://fleet:hunter2@127.0.0.1:x/shop", good(), ssl.ErrConfig, "parse"},
		{"http://fleet:hunter2@127.0.0.1/shop", good(), ssl.ErrConfig, "scheme"},
		{"", good(), ssl.ErrConfig, "scheme"},
		{"valkey:shop", good(), ssl.ErrConfig, "form"},
		{url + "#part", good(), ssl.ErrConfig, "form"},
		{"valkey://fleet:hunter2@127.0.0.1:1", good(), ssl.ErrConfig, "no namespace"},
		{"valkey://127.0.0.1:1/", good(), ssl.ErrConfig, "no namespace"},
		{"valkey://127.0.0.1:1/sh{o}p", good(), ssl.ErrConfig, `namespace has '{'`},
		{"valkey://127.0.0.1:1/a/b", good(), ssl.ErrConfig, `namespace has '/'`},
		{"valkey://127.0.0.1:1/a*", good(), ssl.ErrConfig, `namespace has '*'`},
		{"valkey://127.0.0.1:1/" + strings.Repeat("x", 65), good(), ssl.ErrConfig, "65 bytes"},
		{"127.0.0.1:7391/shop", good(), ssl.ErrConfig, "no scheme"},
		{"localhost:7391/shop", good(), ssl.ErrConfig, "no scheme"},
		{"valkey://fleet:hunter2/x@127.0.0.1/shop", good(), ssl.ErrConfig, "%2F"},
		{"valkey://fleet:hunter2#x@127.0.0.1/shop", good(), ssl.ErrConfig, "%23"},
		{"valkey://fleet:hunter2 x@127.0.0.1/shop", good(), ssl.ErrConfig, "%20"},
		{"valkey://fleet:12/!hunter2@127.0.0.1/shop", good(), ssl.ErrConfig, "%2F"},
		{"valkey://fleet:12#hunter2@127.0.0.1/shop", good(), ssl.ErrConfig, "%23"},
		{"valkey://fleet:12?hunter2@127.0.0.1/shop", good(), ssl.ErrConfig, "%3F"},
		{"valkey:///shop", good(), ssl.ErrConfig, "host"},
		{"valkey://127.0.0.1:0/shop", good(), ssl.ErrConfig, "port"},
		{"valkey://127.0.0.1:65536/shop", good(), ssl.ErrConfig, "port"},
		{url + "?pool=1", good(), ssl.ErrConfig, "query"},
		{url + "?addr", good(), ssl.ErrConfig, "host"},
		{url + "?addr=a/b", good(), ssl.ErrConfig, "host"},
		{url + "?db=x", good(), ssl.ErrConfig, "db"},
		{url + "?master=", good(), ssl.ErrConfig, "master"},
		{url + "?db=-1", good(), ssl.ErrConfig, "db"},
		{url + "?db=1&db=2", good(), ssl.ErrConfig, "more than once"},
		{url + "?%", good(), ssl.ErrConfig, "query"},
	} {
		c, err := Open(tc.url, tc.opts)
		if c != nil || !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) ||
			!strings.HasPrefix(err.Error(), "ssl: valkeystore.Open: ") {
			t.Errorf("%q: %v, %v; want %v with %q", tc.url, c, err, tc.is, tc.text)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in %v", err)
		}
	}
}

func TestParseURL(t *testing.T) {
	at, err := parseURL("rediss://u:p%40@[::1]/a-b_c.d:1?addr=h2&addr=h3:99&db=3")
	if err != nil {
		t.Fatal(err)
	}
	if !at.tls || at.user != "u" || at.password != "p@" || at.namespace != "a-b_c.d:1" || at.db != 3 ||
		strings.Join(at.addrs, " ") != "[::1]:6379 h2:6379 h3:99" {
		t.Errorf("got %+v", at)
	}
	at, err = parseURL("redis://h1/n?addr=h2:1&master=m")
	if err != nil || at.tls || at.master != "m" || strings.Join(at.addrs, " ") != "h1:26379 h2:1" {
		t.Errorf("got %+v, %v", at, err)
	}
}

// Open returns although no database is there, and what needs one says so; after Close it says that.
func TestOpenWithoutDatabase(t *testing.T) {
	leakcheck.Test(t)
	c, err := Open("valkey://127.0.0.1:1/shop", &Options{SealKeys: sealKeys(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.database(); !errors.Is(err, ErrNotConnected) {
		t.Errorf("got %v", err)
	}
	if lost, err := c.Close(t.Context()); lost != 0 || err != nil {
		t.Errorf("Close: %v, %v", lost, err)
	}
	if _, err := c.database(); !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := c.Close(t.Context()); !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if _, err := (*Client)(nil).Close(t.Context()); !errors.Is(err, ssl.ErrNil) {
		t.Errorf("Close of nil: %v", err)
	}
}

// An address of IPv6 may have a zone, in the host and in addr.
func TestURLWithAZone(t *testing.T) {
	at, err := parseURL("valkey://[fe80::1%25eth0]/shop?addr=[fe80::2%25eth1]:99")
	if err != nil || strings.Join(at.addrs, " ") != "[fe80::1%eth0]:6379 [fe80::2%eth1]:99" {
		t.Errorf("%q, %v", at.addrs, err)
	}
}

// A Password that panics is one that returns an error, which Health has.
func TestPasswordPanics(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	c, err := Open("valkey://"+db.Addr+"/shop", &Options{SealKeys: sealKeys(t, 1),
		Password: func() (string, error) { panic("no file") }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	await(t, "an error", func() bool {
		err := c.Health()
		return errors.Is(err, ErrNotConnected) &&
			strings.Contains(err.Error(), "Options.Password panicked: no file")
	})
}
