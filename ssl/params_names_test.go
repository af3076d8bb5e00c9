package ssl_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// Every group and scheme that this package names is known to the library, or is reported
// with the version that knows it.
func TestNamesOfGroupsAndSchemes(t *testing.T) {
	leakcheck.Test(t)
	try := func(what string, cfg *ssl.Config) {
		err := cfg.CheckClient()
		if err != nil && !(errors.Is(err, ssl.ErrUnsupported) && strings.Contains(err.Error(), "needs OpenSSL")) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, id := range ssl.GroupIDs() {
		try(id.String(), &ssl.Config{RootCAs: ssl.NewCertPool(), CurvePreferences: []tls.CurveID{id}})
	}
	for _, id := range ssl.SchemeIDs() {
		try(id.String(), &ssl.Config{RootCAs: ssl.NewCertPool(), SignatureSchemes: []tls.SignatureScheme{id},
			SecurityLevel: ssl.InsecureSecurityLevel0})
	}
}
