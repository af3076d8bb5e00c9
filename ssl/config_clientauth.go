package ssl

// ClientAuthType is what a server demands of its clients, as in crypto/tls.
type ClientAuthType int

// The levels of client authentication.
const (
	NoClientCert               ClientAuthType = iota // do not ask for a certificate
	RequestClientCert                                // ask, and take any or none, unverified
	RequireAnyClientCert                             // demand one, unverified
	VerifyClientCertIfGiven                          // ask, and verify what is sent
	RequireAndVerifyClientCert                       // demand one and verify it
)

func (t ClientAuthType) requests() bool { return t != NoClientCert }

func (t ClientAuthType) requires() bool {
	return t == RequireAnyClientCert || t == RequireAndVerifyClientCert
}

func (t ClientAuthType) verifies() bool { return t >= VerifyClientCertIfGiven }
