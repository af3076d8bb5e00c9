package ssl

/*
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
*/
import "C"

// OpenSSLVersion returns the version of OpenSSL that the program was built against and the one
// that it runs with (OpenSSL_version). The first Ctx of a process logs a warning if they differ in
// more than a patch: see [OpenSSLVersions.Differ].
func OpenSSLVersion() OpenSSLVersions {
	return OpenSSLVersions{Built: versionNumber(C.OPENSSL_VERSION_TEXT),
		Running: versionNumber(C.GoString(C.OpenSSL_version(C.OPENSSL_VERSION)))}
}
