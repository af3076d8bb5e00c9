package ssl

import (
	"crypto/x509"
	"strconv"
	"strings"
)

// VerificationError says why the peer's certificate was refused. errors.As finds it in an Error,
// and finds there what crypto/tls would have returned as well: see [VerificationError.As].
type VerificationError struct {
	Code   int    // X509_V_ERR_*, as returned by SSL_get_verify_result
	Reason string // X509_verify_cert_error_string of Code

	// Depth is the place in the chain of the certificate at fault: 0 is the peer's own,
	// then come its issuers (X509_STORE_CTX_get_error_depth). Certificate is that
	// certificate, or nil if crypto/x509 cannot parse it (X509_STORE_CTX_get_current_cert).
	Depth       int
	Certificate *x509.Certificate

	// Host is the name or address that was asked for, and Names are those in the
	// certificate. Both are set only if they did not match.
	Host  string
	Names []string

	// PeerRawPublicKey is the raw public key that was refused, a SubjectPublicKeyInfo in DER; nil if the peer
	// has shown a certificate.
	PeerRawPublicKey []byte

	wrongType bool // the peer has shown a certificate, and only raw public keys are taken

	sent [][]byte // the certificates that the peer has shown, in DER
}

// maxNamesShown bounds how many of a certificate's names an error shows.
const maxNamesShown = 8

// Error returns the reason in OpenSSL's words, and its details. Text that the peer has
// chosen is quoted.
func (e *VerificationError) Error() string {
	text := "peer certificate refused: " + e.Reason
	if e.PeerRawPublicKey != nil {
		text = "peer's raw public key refused: " + e.Reason
	}
	if e.Host != "" {
		return text + ": asked for " + strconv.Quote(e.Host) + ", the certificate is for " + quoteNames(e.Names)
	}
	if e.Depth > 0 {
		text += " at depth " + strconv.Itoa(e.Depth)
		if e.Certificate != nil {
			text += ", " + strconv.Quote(e.Certificate.Subject.String())
		}
	}
	return text
}

func quoteNames(names []string) string {
	if len(names) == 0 {
		return "no name"
	}
	var b strings.Builder
	for i, name := range names[:min(len(names), maxNamesShown)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(name))
	}
	if more := len(names) - maxNamesShown; more > 0 {
		b.WriteString(" and " + strconv.Itoa(more) + " more")
	}
	return b.String()
}

// namesOf lists the names and addresses in a certificate.
func namesOf(cert *x509.Certificate) []string {
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
