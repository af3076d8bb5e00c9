package errs_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"testing"

	"sessl/ssl"
)

// compare wants of ours what errors.As finds in an error of crypto/tls, with the same content.
func compare(t *testing.T, std, ours error) {
	t.Helper()
	if std == nil || ours == nil {
		t.Fatalf("crypto/tls: %v; ours: %v", std, ours)
	}
	var e *ssl.Error
	if !errors.As(ours, &e) {
		t.Errorf("%v is no *ssl.Error", ours)
	}
	both(t, std, ours, func(a, b x509.HostnameError) bool {
		return a.Certificate.Equal(b.Certificate) && a.Host == b.Host
	})
	both(t, std, ours, func(a, b x509.UnknownAuthorityError) bool { return a.Cert.Equal(b.Cert) })
	both(t, std, ours, func(a, b x509.CertificateInvalidError) bool {
		return a.Cert.Equal(b.Cert) && a.Reason == b.Reason && b.Detail != ""
	})
	both(t, std, ours, func(a, b *tls.CertificateVerificationError) bool {
		var v *ssl.VerificationError
		return errors.As(ours, &v) && b.Err != nil && slices.EqualFunc(a.UnverifiedCertificates,
			b.UnverifiedCertificates, (*x509.Certificate).Equal)
	})
	both(t, std, ours, func(a, b tls.RecordHeaderError) bool {
		return a.RecordHeader == b.RecordHeader && (a.Conn == nil) == (b.Conn == nil) && a.Msg == b.Msg
	})
	both(t, std, ours, func(a, b *net.OpError) bool {
		return a.Op == b.Op && a.Net == b.Net && a.Timeout() == b.Timeout() &&
			(a.Source == nil) == (b.Source == nil) && (a.Addr == nil) == (b.Addr == nil)
	})
	var n net.Error
	if errors.As(std, &n) {
		var m net.Error
		if !errors.As(ours, &m) || m.Timeout() != n.Timeout() {
			t.Errorf("crypto/tls has a net.Error in %v, and ours is %v", std, ours)
		}
	}
}

func both[E error](t *testing.T, std, ours error, same func(a, b E) bool) {
	t.Helper()
	var a, b E
	switch {
	case !errors.As(std, &a):
	case !errors.As(ours, &b):
		t.Errorf("crypto/tls has a %T in %v, ours has none in %v", a, std, ours)
	case !same(a, b):
		t.Errorf("crypto/tls: %#v\nours: %#v", a, b)
	}
}

// found counts which kinds crypto/tls has: a table that has none of a kind shows nothing of it.
func found(std error) string {
	var b bytes.Buffer
	for _, k := range []struct {
		name   string
		target any
	}{
		{"name ", new(x509.HostnameError)}, {"authority ", new(x509.UnknownAuthorityError)},
		{"invalid ", new(x509.CertificateInvalidError)}, {"verify ", new(*tls.CertificateVerificationError)},
		{"header ", new(tls.RecordHeaderError)}, {"op ", new(*net.OpError)},
	} {
		if errors.As(std, k.target) {
			b.WriteString(k.name)
		}
	}
	return b.String()
}
