package ssl

/*
#cgo noescape sessl_ctx_in_force
#cgo nocallback sessl_ctx_in_force
#cgo noescape sessl_providers
#cgo noescape sessl_policy_text
#cgo nocallback sessl_policy_text
#cgo nocallback sessl_providers
#include <openssl/ssl.h>

#include "trust.h"
*/
import "C"

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// inForce describes what verification depends on outside of the Config: the security level of
// the SSL_CTX (SSL_CTX_get_security_level), OpenSSL's flags, and what the configuration file
// and the application have set for the library. On a client the version of the library
// belongs to it. On a server it does not: the servers of a fleet may differ during an update.
func inForce(p ctxPtr, server bool) (string, error) {
	var f C.sessl_in_force
	C.sessl_ctx_in_force(p, cBool(server), &f)
	var e cErr
	var out *C.uint8_t
	n := C.sessl_providers(&out, &e)
	if n < 0 {
		return "", ErrNoMemory
	}
	providers := strings.Split(string(takeSecret(out, n)), "\x00")
	slices.Sort(providers)
	policy, err := policyInForce()
	if err != nil {
		return "", err
	}
	var version uint64
	if !server {
		version = uint64(C.OpenSSL_version_num())
	}
	return fmt.Sprintf("level=%d %d;depth=%d;host=%x;flags=%x %x %x %x;providers=%q;policy=%x;version=%x",
		int(f.level), int(f.auth_level), int(f.depth), uint(f.host_flags),
		uint64(f.flags), uint64(f.inherit), uint64(f.general), uint64(f.purpose),
		providers, policy.sum, version), nil
}

// A policy is what openssl.cnf has for libcrypto and libssl.
type policy struct {
	sum     [sha256.Size]byte
	groups  []string // each a list
	schemes []string
}

var policyRead struct {
	mu     sync.Mutex
	policy *policy
}

// policyInForce reads openssl.cnf (CONF_get1_default_config_file, NCONF_load_bio) as
// OpenSSL does, once in a process and before the first SSL_CTX is made: see config(5).
func policyInForce() (*policy, error) {
	policyRead.mu.Lock()
	defer policyRead.mu.Unlock()
	if policyRead.policy != nil {
		return policyRead.policy, nil
	}
	var e cErr
	var out *C.uint8_t
	n := C.sessl_policy_text(&out, &e)
	if n < 0 && e.no_memory != 0 {
		return nil, ErrNoMemory
	}
	p := &policy{sum: sha256.Sum256(processID())} // unreadable here; unknown whether OpenSSL could read it
	if n >= 0 {
		text := takeSecret(out, n)
		p.sum = sha256.Sum256(text)
		for line := range strings.SplitSeq(string(text), "\x00") {
			name, value, _ := strings.Cut(line, "=")
			switch strings.ToLower(name[strings.LastIndexByte(name, '.')+1:]) {
			case "groups", "curves":
				p.groups = append(p.groups, value)
			case "signaturealgorithms":
				p.schemes = append(p.schemes, value)
			}
		}
		clear(text)
	}
	policyRead.policy = p
	return p, nil
}
