package ssl

import (
	"fmt"
	"slices"
)

// A CertificateCompressionAlgorithm compresses certificates in the handshake (RFC 8879), for
// [Config].CertificateCompression. A chain of two takes about a quarter less, which may make it fit into the
// packets that a server can send before it hears from the client. TLS 1.3 only; a resumption shows none.
//
// A server compresses each of its certificates once by each algorithm (SSL_set1_compressed_cert): those of a
// Config, and of ReloadableCertificates, before they are used, another one of GetCertificate when it is shown
// first. The OCSP response that a client asks for is compressed with its certificate, once until it is
// replaced. A client says which algorithms it has, in order of preference, and the first that the server
// has counts. A client compresses its own certificate in each handshake with a server that says the same.
//
// Without a list, OpenSSL 3.2 and later decompresses by every algorithm that it is built with: a client says
// that it has them, and so does a server that asks for certificates, which come before anything is known of
// the client. A client compresses its own as well, a server does not. A peer's certificates are held to the
// limit of [Config].ClientAuth after decompression, too. OpenSSL before 3.3.6, 3.4.4, 3.5.5 and 3.6.1 does
// not do that (CVE-2025-66199): with these a server never says that it decompresses, a client with a list
// only.
//
// Distributions differ in what OpenSSL is built with: Debian 13 has zlib and zstd. An algorithm that is
// missing gives ErrUnsupported.
type CertificateCompressionAlgorithm uint16

// Algorithms for the compression of certificates, by their numbers in the TLS registry.
const (
	CertificateCompressionZlib   CertificateCompressionAlgorithm = 1
	CertificateCompressionBrotli CertificateCompressionAlgorithm = 2
	CertificateCompressionZstd   CertificateCompressionAlgorithm = 3
)

var compressionNames = [...]string{1: "zlib", 2: "brotli", 3: "zstd"}

// known reports whether the algorithm has a name here.
func (a CertificateCompressionAlgorithm) known() bool { return a > 0 && int(a) < len(compressionNames) }

// String returns the name of the algorithm in the TLS registry.
func (a CertificateCompressionAlgorithm) String() string {
	if !a.known() {
		return fmt.Sprintf("CertificateCompressionAlgorithm(%d)", uint16(a))
	}
	return compressionNames[a]
}

// checkCompression refuses lists that cannot be meant, or would have no effect.
func (cfg *Config) checkCompression(bool) error {
	list := cfg.CertificateCompression
	if len(list) == 0 {
		return nil
	}
	if cfg.NoCertificateCompression {
		return configError("CertificateCompression has no effect: NoCertificateCompression is set")
	}
	if _, highest := cfg.versions(); highest < VersionTLS13 {
		return configError("CertificateCompression needs TLS 1.3, and the highest version is %s",
			VersionName(highest))
	}
	for i, a := range list {
		switch {
		case !a.known():
			return fmt.Errorf("%w: CertificateCompression has the algorithm %d, which this package does not know",
				ErrUnsupported, uint16(a))
		case slices.Contains(list[:i], a):
			return configError("CertificateCompression has %s twice", a)
		}
	}
	return nil
}
