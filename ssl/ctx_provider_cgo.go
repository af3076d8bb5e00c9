package ssl

/*
#cgo noescape sessl_ctx_new
#cgo nocallback sessl_ctx_new
#include <stdlib.h>

#include "ctx.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

// newCtxPtr makes an SSL_CTX from the providers that cfg asks for (SSL_CTX_new, SSL_CTX_new_ex).
func newCtxPtr(op string, cfg *Config, server bool) (ctxPtr, error) {
	var e cErr
	var why C.int
	var query *C.char
	if q := cfg.query(); q != "" {
		query = C.CString(q)
		defer C.free(unsafe.Pointer(query))
	}
	p := C.sessl_ctx_new(cBool(server), cBool(cfg.FIPS), query, &why, &e) // returns +1
	if p != nil {
		return p, nil
	}
	switch why {
	case C.SESSL_CTX_NEEDS_3_0:
		return nil, asError(op, unsupportedIn("FIPS and PropertyQuery", "OpenSSL 3.0"), &e)
	case C.SESSL_CTX_BAD_QUERY:
		return nil, asError(op, configError("PropertyQuery %.64q is not a property query", cfg.PropertyQuery), &e)
	case C.SESSL_CTX_NO_FIPS:
		return nil, asError(op, fmt.Errorf("%w: FIPS is set, but the provider fips could not be loaded",
			ErrNoProvider), &e)
	case C.SESSL_CTX_NO_MATCH:
		return nil, asError(op, fmt.Errorf("%w: nothing can do TLS with the properties %.64q",
			ErrNoProvider, cfg.query()), &e)
	}
	return nil, asError(op, nil, &e)
}

// query is the property query in force, "" for none.
func (cfg *Config) query() string {
	if !cfg.FIPS {
		return cfg.PropertyQuery
	}
	return strings.TrimSuffix("fips=yes,"+cfg.PropertyQuery, ",")
}

// checkProviders refuses queries that C would misread.
func (cfg *Config) checkProviders(bool) error {
	if strings.ContainsRune(cfg.PropertyQuery, 0) || len(cfg.PropertyQuery) > maxQuery {
		return configError("PropertyQuery has a NUL byte or more than %d bytes", maxQuery)
	}
	return nil
}

const maxQuery = 4096
