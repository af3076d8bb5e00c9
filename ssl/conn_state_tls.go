package ssl

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"sync"
)

// TLS returns the state as crypto/tls's type, for http.Request.TLS and for other code that
// needs it. It fills in all fields except two, which OpenSSL does not tell or this
// package does not ask for: SignedCertificateTimestamps, and TLSUnique, which is never defined for TLS
// 1.3. CurveID is 0 if Group is empty or unknown here. It has no field for a raw public key: a peer that has
// shown one looks like one without a certificate.
//
// The method ExportKeyingMaterial of the result returns an error, because it has no connection:
// use [Conn.ExportKeyingMaterial]. The zero state gives a state in which no handshake is complete.
func (s ConnectionState) TLS() tls.ConnectionState {
	t := noConnection()
	if s.Version == 0 {
		return t
	}
	t.HandshakeComplete = true
	t.Version = s.Version
	t.CipherSuite = s.CipherSuite
	t.CurveID = curveID(s.Group)
	t.NegotiatedProtocol = s.NegotiatedProtocol
	t.NegotiatedProtocolIsMutual = true //lint:ignore SA1019 net/http reads it
	t.DidResume = s.DidResume
	t.ServerName = s.ServerName
	t.HelloRetryRequest = s.HelloRetryRequest
	t.ECHAccepted = s.ECHAccepted
	t.PeerCertificates = s.PeerCertificates
	t.OCSPResponse = s.OCSPResponse
	if len(s.VerifiedChain) > 0 {
		t.VerifiedChains = [][]*x509.Certificate{s.VerifiedChain}
	}
	return t
}

// noConnection is the state of a tls.Conn that has not begun. A literal would not do: its
// ExportKeyingMaterial follows a nil pointer, while that of this state returns an error.
var noConnection = sync.OnceValue(func() tls.ConnectionState {
	return tls.Client(nil, &tls.Config{InsecureSkipVerify: true}).ConnectionState() // never connects
})

// curveID is the number of a group, whose name differs between versions of OpenSSL, or
// 0 for an unknown one.
func curveID(name string) tls.CurveID {
	switch strings.ToLower(name) {
	case "secp256r1", "prime256v1":
		return tls.CurveP256
	case "secp384r1":
		return tls.CurveP384
	case "secp521r1":
		return tls.CurveP521
	}
	i := slices.IndexFunc(groups, func(g group) bool { return strings.EqualFold(g.name, name) })
	if i < 0 {
		return 0
	}
	return groups[i].id
}
