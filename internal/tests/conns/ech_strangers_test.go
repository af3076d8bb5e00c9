package conns_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// echList is the ECHConfigList of configs.
func echList(configs ...[]byte) []byte {
	all := bytes.Join(configs, nil)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(all))), all...)
}

// withExtension is an ECHConfig with an extension that clients must know (RFC 9849, section 4.2).
func withExtension(config []byte) []byte {
	c := append(bytes.Clone(config[:len(config)-2]), 0, 4, 0xff, 0xfe, 0, 0)
	binary.BigEndian.PutUint16(c[2:], uint16(len(c)-4))
	return c
}

// A client passes over configurations that it does not know, wherever they are in the list, and damage of
// any kind is an error or a list that works.
func TestECHListsOfStrangers(t *testing.T) {
	leakcheck.Test(t)
	key := echKey(t)
	srv, cli := echConfigs(t, echKeys(t, key))
	later := append([]byte{0xfe, 0x0e, 0, 3}, 1, 2, 3)
	kem := bytes.Clone(key.Config)
	kem[5] = 0x7f
	long := append([]byte{0xfe, 0x0e, 0x01, 0xfc - 4}, make([]byte, 0x1fc-4)...)
	for name, list := range map[string][]byte{
		"a later version": echList(later, key.Config), "a KEM of others": echList(kem, key.Config),
		"an extension":  echList(withExtension(key.Config), key.Config),
		"the other way": echList(key.Config, kem, later),
		"long":          echList(long, long, long, key.Config),
	} {
		t.Run(name, func(t *testing.T) {
			cli.EncryptedClientHelloConfigList = list
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			if !p.Client.ConnectionState().ECHAccepted {
				t.Error("not accepted")
			}
		})
	}
	check := func(list []byte) error {
		cli.EncryptedClientHelloConfigList = list
		return cli.CheckClient()
	}
	for _, list := range [][]byte{echList(later), echList(kem), echList(withExtension(key.Config))} {
		ssltest.Refuses(t, "none that is known", check(list), ssl.ErrConfig)
	}
	whole := echList(key.Config)
	for i := range whole {
		ssltest.Refuses(t, "a list that is cut", check(whole[:i:i]), ssl.ErrConfig)
		bad := bytes.Clone(whole)
		bad[i] ^= 0x55
		if err := check(bad); err != nil && !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

// A client without a name, or with an address for one, hides that it has none.
func TestECHWithoutName(t *testing.T) {
	leakcheck.Test(t)
	for _, name := range []string{"", "127.0.0.1"} {
		srv, cli := echConfigs(t, echKeys(t, echKey(t)))
		cli.ServerName, cli.InsecureSkipVerify = name, true
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		c, s := p.Client.ConnectionState(), p.Server.ConnectionState()
		if !c.ECHAccepted || !s.ECHAccepted || s.ServerName != "" || c.ServerName != name {
			t.Errorf("%q: accepted %t and %t, names %q and %q", name, c.ECHAccepted, s.ECHAccepted, c.ServerName,
				s.ServerName)
		}
	}
}

// An old key only opens what comes: no client is told to use it.
func TestECHOldKeyOnlyDecrypts(t *testing.T) {
	leakcheck.Test(t)
	old, current := echKey(t), echKey(t)
	old.SendAsRetry = false
	keys := echKeys(t, old, current)
	if want := echList(current.Config); !bytes.Equal(keys.ConfigList(), want) {
		t.Errorf("the list is %x, want %x", keys.ConfigList(), want)
	}
	srv, cli := echConfigs(t, keys)
	cli.EncryptedClientHelloConfigList = echList(old.Config)
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	if !p.Client.ConnectionState().ECHAccepted {
		t.Error("not accepted with the old key")
	}
	cli.EncryptedClientHelloConfigList = echKeys(t, echKey(t)).ConfigList()
	var refused *tls.ECHRejectionError
	if err := refusedECH(t, srv, cli); !errors.As(err, &refused) ||
		!bytes.Equal(refused.RetryConfigList, echList(current.Config)) {
		t.Errorf("%v with %+v, want the current configuration", err, refused)
	}
	if err := keys.SetKeys(old); err != nil {
		t.Fatal(err)
	}
	if keys.ConfigList() != nil {
		t.Error("a key that is only to decrypt is in the list")
	}
}

// refusedBy does a handshake of a client whose ClientHello crypto/tls's server cannot read.
func refusedBy(t *testing.T, cli *ssl.Config, srv *tls.Config) error {
	t.Helper()
	key, err := ssl.NewEncryptedClientHelloKey("server.test") // a name of its certificate
	if err != nil {
		t.Fatal(err)
	}
	cli.EncryptedClientHelloConfigList = echList(key.Config)
	client, _, _, cerr, _ := ssltest.StdServer(t, cli, srv)
	client.Close()
	var refused *tls.ECHRejectionError
	if cerr == nil || errors.As(cerr, &refused) && client.ConnectionState().ECHAccepted {
		t.Fatalf("the error is %v", cerr)
	}
	return cerr
}

// The public server does not learn who the client is, even if it asks.
func TestECHRefusalHidesTheClient(t *testing.T) {
	leakcheck.Test(t)
	_, cli := echConfigs(t, echKeys(t, echKey(t)))
	cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
	shown := 0
	err := refusedBy(t, cli, &tls.Config{ClientAuth: tls.RequestClientCert,
		VerifyPeerCertificate: func(certs [][]byte, _ [][]*x509.Certificate) error {
			shown += len(certs)
			return nil
		}})
	var refused *tls.ECHRejectionError
	if !errors.As(err, &refused) || shown != 0 {
		t.Errorf("%v; the server got %d certificates", err, shown)
	}
}

// Where nothing that was verified says so, an error is none that lets a client go on without encryption.
func TestECHRefusalThatIsNone(t *testing.T) {
	leakcheck.Test(t)
	short, err := ssl.NewEncryptedClientHelloKey("a.b")
	if err != nil {
		t.Fatal(err)
	}
	var refused *tls.ECHRejectionError
	for name, srv := range map[string]*tls.Config{
		"TLS 1.2": {MaxVersion: tls.VersionTLS12},
		"configurations that libssl cannot read": {
			EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{short}},
	} {
		t.Run(name, func(t *testing.T) {
			_, cli := echConfigs(t, echKeys(t, echKey(t)))
			if err := refusedBy(t, cli, srv); errors.As(err, &refused) {
				t.Errorf("%v with configurations %x", err, refused.RetryConfigList)
			}
		})
	}
	srv, cli := echConfigs(t, echKeys(t, echKey(t)))
	srv.CurvePreferences = []tls.CurveID{tls.CurveP384} // libssl's clients take none of its servers' here
	cli.EncryptedClientHelloConfigList = echList(echKey(t).Config)
	if err := refusedECH(t, srv, cli); errors.As(err, &refused) {
		t.Errorf("HelloRetryRequest: %v with configurations %x", err, refused.RetryConfigList)
	}
}

// A server that asks for another ClientHello can prove that it refuses the encryption, as others can.
func TestECHRejectionAfterHelloRetryRequest(t *testing.T) {
	leakcheck.Test(t)
	key := echKey(t)
	for name, c := range map[string]struct {
		keys []tls.EncryptedClientHelloKey
		want []byte
	}{
		"without keys": {nil, nil}, "other keys": {[]tls.EncryptedClientHelloKey{key}, echList(key.Config)},
	} {
		_, cli := echConfigs(t, echKeys(t, key))
		err := refusedBy(t, cli, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384},
			EncryptedClientHelloKeys: c.keys})
		var refused *tls.ECHRejectionError
		if !errors.As(err, &refused) || !bytes.Equal(refused.RetryConfigList, c.want) {
			t.Errorf("%s: %v with %+v, want configurations %x", name, err, refused, c.want)
		}
	}
}

// InsecureSkipVerify is about the hidden server: a provider that can be verified is believed.
func TestECHRejectionUnderInsecureSkipVerify(t *testing.T) {
	leakcheck.Test(t)
	keys := echKeys(t, echKey(t))
	srv, cli := echConfigs(t, keys)
	cli.InsecureSkipVerify = true
	cli.EncryptedClientHelloConfigList = echKeys(t, echKey(t)).ConfigList()
	var refused *tls.ECHRejectionError
	if err := refusedECH(t, srv, cli); !errors.As(err, &refused) ||
		!bytes.Equal(refused.RetryConfigList, keys.ConfigList()) {
		t.Errorf("%v, want an ECHRejectionError", err)
	}
}
