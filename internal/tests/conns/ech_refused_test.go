package conns_test

import (
	"crypto/tls"
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// refusedECH does a handshake with a server that has other keys, and returns the client's error.
func refusedECH(t *testing.T, srv, cli *ssl.Config) error {
	t.Helper()
	p := ssltest.NewTCPPair(t, cli, srv)
	cerr, serr := p.Shake()
	if cerr == nil || serr == nil {
		t.Errorf("client %v, server %v: the handshake must not succeed", cerr, serr)
	}
	if p.Client.ConnectionState().ECHAccepted || p.Client.ConnectionState().Version != 0 {
		t.Errorf("the client's state is %+v", p.Client.ConnectionState())
	}
	return cerr
}

// A server that has lost the key proves to be the public name, and says which configurations to use.
func TestECHRejection(t *testing.T) {
	leakcheck.Test(t)
	old := echKeys(t, echKey(t))
	keys := echKeys(t, echKey(t), echKey(t))
	srv, cli := echConfigs(t, keys)
	cli.EncryptedClientHelloConfigList = old.ConfigList()
	asked := false
	cli.VerifyConnection = func(ssl.ConnectionState) error { asked = true; return nil }
	err := refusedECH(t, srv, cli)
	var refused *tls.ECHRejectionError
	if !errors.As(err, &refused) || asked {
		t.Fatalf("%v, want an ECHRejectionError; VerifyConnection was called: %t", err, asked)
	}
	if string(refused.RetryConfigList) != string(keys.ConfigList()) {
		t.Fatalf("configurations %x, want %x", refused.RetryConfigList, keys.ConfigList())
	}
	cli.EncryptedClientHelloConfigList = refused.RetryConfigList
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	if !p.Client.ConnectionState().ECHAccepted {
		t.Error("not accepted with the new configurations")
	}
	_, ours := ssltest.StdClient(t, srv, &tls.Config{ServerName: "b.test", MinVersion: tls.VersionTLS13,
		EncryptedClientHelloConfigList: refused.RetryConfigList})
	if !ours.ConnectionState().ECHAccepted {
		t.Error("crypto/tls was not accepted with them")
	}
}

// Without keys a server says that there is no Encrypted Client Hello any more.
func TestECHRejectionWithoutKeys(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := echConfigs(t, echKeys(t, echKey(t)))
	srv.EncryptedClientHelloKeys = nil
	var refused *tls.ECHRejectionError
	if err := refusedECH(t, srv, cli); !errors.As(err, &refused) || refused.RetryConfigList != nil {
		t.Errorf("%v with %+v, want an ECHRejectionError without configurations", err, refused)
	}
}

// Who cannot prove to be the public name has no say: his configurations could be anyone's. That the server
// could prove the hidden name, or that the client verifies nothing else, does not help.
func TestECHRejectionByStranger(t *testing.T) {
	leakcheck.Test(t)
	for name, change := range map[string]func(srv, cli *ssl.Config){
		"a certificate for another name": func(srv, _ *ssl.Config) { srv.Certificates = srv.Certificates[1:] },
		"a root that is not trusted": func(_, cli *ssl.Config) {
			cli.RootCAs = ssltest.Roots(t, "other-ca")
		},
		"a client that verifies nothing": func(srv, cli *ssl.Config) {
			cli.InsecureSkipVerify = true
			srv.Certificates = ssltest.KeyPairs(t, []string{"selfsigned"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv, cli := echConfigs(t, echKeys(t, echKey(t)))
			cli.EncryptedClientHelloConfigList = echKeys(t, echKey(t)).ConfigList()
			change(srv, cli)
			err := refusedECH(t, srv, cli)
			var refused *tls.ECHRejectionError
			var v *ssl.VerificationError
			if errors.As(err, &refused) || !errors.As(err, &v) {
				t.Fatalf("%v, want a VerificationError", err)
			}
			if v.Host != "" && v.Host != "a.test" {
				t.Errorf("asked for %q, want the public name", v.Host)
			}
		})
	}
}

// The application's own judgement takes the place of the verification, and only of that of the provider.
func TestECHRejectionVerify(t *testing.T) {
	leakcheck.Test(t)
	errNo := errors.New("no")
	for _, verdict := range []error{nil, errNo} {
		srv, cli := echConfigs(t, echKeys(t, echKey(t)))
		cli.RootCAs = ssltest.Roots(t, "other-ca")
		var got *ssl.ConnectionState
		cli.EncryptedClientHelloRejectionVerify = func(s ssl.ConnectionState) error { got = &s; return verdict }
		p := ssltest.NewTCPPair(t, cli, srv)
		var v *ssl.VerificationError
		if cerr, _ := p.Shake(); !errors.As(cerr, &v) || got != nil {
			t.Fatalf("%v from a server that is not trusted; asked: %t", cerr, got != nil)
		}
		cli.EncryptedClientHelloConfigList = echKeys(t, echKey(t)).ConfigList()
		err := refusedECH(t, srv, cli)
		if got == nil || got.ServerName != "a.test" || got.Verified || len(got.PeerCertificates) == 0 ||
			got.PeerCertificates[0].DNSNames[0] != "a.test" {
			t.Fatalf("asked about %+v", got)
		}
		var refused *tls.ECHRejectionError
		if errors.As(err, &refused) != (verdict == nil) || verdict != nil && !errors.Is(err, verdict) {
			t.Errorf("the verdict %v gave %v", verdict, err)
		}
	}
}
