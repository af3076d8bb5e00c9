package ssl

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"sync"
)

// TLS returns the state in crypto/tls's type, for http.Request.TLS and for code that takes
// that. All its fields are filled but these, which OpenSSL does not tell or this package
// does not ask for: SignedCertificateTimestamps, TLSUnique (never defined for TLS 1.3),
// ECHAccepted and HelloRetryRequest. CurveID is 0 where Group is empty, or a group that has
// no number in crypto/tls. The method ExportKeyingMaterial of what it returns reports an
// error, for it has no connection: use [Conn.ExportKeyingMaterial]. The zero state gives a
// state in which no handshake is complete.
func (s ConnectionState) TLS() tls.ConnectionState {
	t := noConnection()
	if s.Version == 0 {
		return t
	}
	t.HandshakeComplete = true
	t.Version = s.Version
	t.CipherSuite = s.CipherSuite
	t.CurveID = curveIDs[strings.ToLower(s.Group)]
	t.NegotiatedProtocol = s.NegotiatedProtocol
	t.NegotiatedProtocolIsMutual = true // always, since NPN is gone
	t.DidResume = s.DidResume
	t.ServerName = s.ServerName
	t.PeerCertificates = s.PeerCertificates
	if len(s.VerifiedChain) > 0 {
		t.VerifiedChains = [][]*x509.Certificate{s.VerifiedChain}
	}
	return t
}

// noConnection is the state of a tls.Conn that has not begun. A literal would not do: its
// ExportKeyingMaterial follows a nil pointer, where this one's reports an error.
var noConnection = sync.OnceValue(func() tls.ConnectionState {
	return tls.Client(nil, &tls.Config{InsecureSkipVerify: true}).ConnectionState() // never connects
})

// curveIDs are the groups by OpenSSL's names for them, which differ between versions.
var curveIDs = map[string]tls.CurveID{
	"secp256r1":          tls.CurveP256,
	"prime256v1":         tls.CurveP256,
	"p-256":              tls.CurveP256,
	"secp384r1":          tls.CurveP384,
	"p-384":              tls.CurveP384,
	"secp521r1":          tls.CurveP521,
	"p-521":              tls.CurveP521,
	"x25519":             tls.X25519,
	"x25519mlkem768":     tls.X25519MLKEM768,
	"secp256r1mlkem768":  tls.SecP256r1MLKEM768,
	"secp384r1mlkem1024": tls.SecP384r1MLKEM1024,
}
