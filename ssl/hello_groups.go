package ssl

import (
	"crypto/tls"
	"slices"
)

// InsecureSecurityLevel0 as a Config's SecurityLevel is OpenSSL's level 0, which
// permits everything: keys of any size, TLS 1.0, signatures with SHA-1 and MD5, and, if
// they are listed, suites without encryption or authentication.
const InsecureSecurityLevel0 = -1

const maxSecurityLevel = 5

// levelBits are the bits of security that each level demands (SSL_CTX_set_security_level).
var levelBits = [maxSecurityLevel + 1]int{0, 80, 112, 128, 192, 256}

// A group is a key exchange group as OpenSSL knows it.
type group struct {
	id   tls.CurveID
	name string
	need string // the first OpenSSL that has it, if not all do
	bits int    // of security
	only uint16 // the only version that has it; 0: all versions
}

var groups = []group{
	{tls.CurveP256, "P-256", "", 128, 0},
	{tls.CurveP384, "P-384", "", 192, 0},
	{tls.CurveP521, "P-521", "", 256, 0},
	{tls.X25519, "X25519", "", 128, 0},
	{30, "X448", "", 224, 0},
	{26, "brainpoolP256r1", "", 128, VersionTLS12},
	{27, "brainpoolP384r1", "", 192, VersionTLS12},
	{28, "brainpoolP512r1", "", 256, VersionTLS12},
	{256, "ffdhe2048", "OpenSSL 3.0", 112, VersionTLS13},
	{257, "ffdhe3072", "OpenSSL 3.0", 128, VersionTLS13},
	{258, "ffdhe4096", "OpenSSL 3.0", 128, VersionTLS13},
	{259, "ffdhe6144", "OpenSSL 3.0", 128, VersionTLS13},
	{260, "ffdhe8192", "OpenSSL 3.0", 192, VersionTLS13},
	{0x0200, "MLKEM512", "OpenSSL 3.5", 128, VersionTLS13},
	{0x0201, "MLKEM768", "OpenSSL 3.5", 192, VersionTLS13},
	{0x0202, "MLKEM1024", "OpenSSL 3.5", 256, VersionTLS13},
	{tls.X25519MLKEM768, "X25519MLKEM768", "OpenSSL 3.5", 192, VersionTLS13},
	{tls.SecP256r1MLKEM768, "SecP256r1MLKEM768", "OpenSSL 3.5", 192, VersionTLS13},
	{tls.SecP384r1MLKEM1024, "SecP384r1MLKEM1024", "OpenSSL 3.5", 256, VersionTLS13},
}

func groupByID(id tls.CurveID) (group, bool) {
	i := slices.IndexFunc(groups, func(g group) bool { return g.id == id })
	if i < 0 {
		return group{}, false
	}
	return groups[i], true
}

// A scheme is a signature scheme as OpenSSL knows it.
type scheme struct {
	id   tls.SignatureScheme
	name string
	need string // the first OpenSSL that has it, if not all do
	keys int    // the types of key that can sign with it
	v12  bool   // TLS 1.2 has it
	v13  bool   // TLS 1.3 has it, for signatures of the handshake
	sha1 bool
}

// schemes has the schemes that OpenSSL knows. Those with SHA-1 have no name of their own there.
var schemes = []scheme{
	{tls.Ed25519, "ed25519", "", keyEd25519, true, true, false},
	{0x0808, "ed448", "", keyEd448, true, true, false},
	{tls.ECDSAWithP256AndSHA256, "ecdsa_secp256r1_sha256", "", keyEC, true, true, false},
	{tls.ECDSAWithP384AndSHA384, "ecdsa_secp384r1_sha384", "", keyEC, true, true, false},
	{tls.ECDSAWithP521AndSHA512, "ecdsa_secp521r1_sha512", "", keyEC, true, true, false},
	{tls.PSSWithSHA256, "rsa_pss_rsae_sha256", "", keyRSA, true, true, false},
	{tls.PSSWithSHA384, "rsa_pss_rsae_sha384", "", keyRSA, true, true, false},
	{tls.PSSWithSHA512, "rsa_pss_rsae_sha512", "", keyRSA, true, true, false},
	{0x0809, "rsa_pss_pss_sha256", "", keyRSAPSS, true, true, false},
	{0x080A, "rsa_pss_pss_sha384", "", keyRSAPSS, true, true, false},
	{0x080B, "rsa_pss_pss_sha512", "", keyRSAPSS, true, true, false},
	{tls.PKCS1WithSHA256, "rsa_pkcs1_sha256", "", keyRSA, true, false, false},
	{tls.PKCS1WithSHA384, "rsa_pkcs1_sha384", "", keyRSA, true, false, false},
	{tls.PKCS1WithSHA512, "rsa_pkcs1_sha512", "", keyRSA, true, false, false},
	{tls.ECDSAWithSHA1, "ECDSA+SHA1", "", keyEC, true, false, true},
	{tls.PKCS1WithSHA1, "RSA+SHA1", "", keyRSA, true, false, true},
	{0x0904, "mldsa44", "OpenSSL 3.5", keyOther, false, true, false},
	{0x0905, "mldsa65", "OpenSSL 3.5", keyOther, false, true, false},
	{0x0906, "mldsa87", "OpenSSL 3.5", keyOther, false, true, false},
}

func schemeByID(id tls.SignatureScheme) (scheme, bool) {
	i := slices.IndexFunc(schemes, func(s scheme) bool { return s.id == id })
	if i < 0 {
		return scheme{}, false
	}
	return schemes[i], true
}

// schemeByName returns the number of a scheme that libssl names, or 0 for one that is not in schemes.
func schemeByName(name string) tls.SignatureScheme {
	switch name { // by these names SSL_CTX_set1_sigalgs_list does not know them in all versions
	case "ecdsa_sha1":
		return tls.ECDSAWithSHA1
	case "rsa_pkcs1_sha1":
		return tls.PKCS1WithSHA1
	}
	i := slices.IndexFunc(schemes, func(s scheme) bool { return s.name == name })
	if i < 0 {
		return 0
	}
	return schemes[i].id
}
