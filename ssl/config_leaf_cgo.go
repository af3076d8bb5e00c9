package ssl

/*
#include "session.h"
*/
import "C"

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"strings"
)

// leafRules are what a full handshake demands of the key of a server's certificate, in
// addition to verification: its curve must be in the list of groups (in TLS 1.2), and
// its scheme in the list of signature schemes. The lists are the Config's, or else
// those of openssl.cnf. The rules are checked when a session is offered, because most
// lists differ only in entries that no certificate uses.
type leafRules struct{ groups, schemes [][]string }

func (cfg *Config) leafRules() (r leafRules, err error) {
	p, err := policyInForce()
	if err != nil {
		return r, err
	}
	groups, schemes := p.groups, p.schemes
	if len(cfg.CurvePreferences) > 0 {
		var names []string
		for _, id := range cfg.CurvePreferences {
			g, _ := groupByID(id)
			names = append(names, g.name)
		}
		groups = []string{strings.Join(names, ":")}
	}
	if len(cfg.SignatureSchemes) > 0 {
		var names []string
		for _, id := range cfg.SignatureSchemes {
			s, _ := schemeByID(id)
			names = append(names, s.name)
		}
		schemes = []string{strings.Join(names, ":")}
	}
	return leafRules{listed(groups), listed(schemes)}, nil
}

// curveNames are the hash that belongs to a curve in TLS 1.3's signature schemes, and
// then the names of the curve in lists of groups.
var curveNames = map[string][]string{
	"P-256": {"sha256", "p-256", "prime256v1", "secp256r1"},
	"P-384": {"sha384", "p-384", "secp384r1"},
	"P-521": {"sha512", "p-521", "secp521r1"},
}

// fit reports whether a server may have its key under these rules. peerKey returns the key, and is called
// where there is a rule.
func (r leafRules) fit(version C.int, peerKey func() any) bool {
	tls13 := version == VersionTLS13
	if (tls13 || len(r.groups) == 0) && len(r.schemes) == 0 {
		return true
	}
	var sort string
	var names []string
	switch key := peerKey().(type) {
	case *ecdsa.PublicKey:
		sort, names = "ecdsa", curveNames[key.Params().Name]
		if names == nil {
			return false
		}
	case ed25519.PublicKey:
		sort = "ed25519"
	case *rsa.PublicKey:
		sort = "rsa"
	default:
		return false // no list that this package knows can include it
	}
	for _, list := range r.groups {
		if sort == "ecdsa" && !tls13 && !slices.ContainsFunc(list, func(name string) bool {
			return name == "default" || slices.Contains(names[1:], name)
		}) {
			return false
		}
	}
	for _, list := range r.schemes {
		if !slices.ContainsFunc(list, func(name string) bool {
			return strings.HasPrefix(name, sort) && (sort != "ecdsa" || !tls13 || strings.HasSuffix(name, names[0]))
		}) {
			return false
		}
	}
	return true
}

// peerKeyOf returns the public key of the peer of s, in its certificate or a raw one. It is nil if there is
// none that crypto/x509 can read.
func peerKeyOf(s sessionPtr) any {
	if raw := readRawKey(s); raw != nil {
		key, _ := x509.ParsePKIXPublicKey(raw)
		return key
	}
	var e cErr
	var out *C.uint8_t
	n := C.sessl_session_peer_der(s, &out, &e)
	if n <= 0 {
		return nil
	}
	leaf, err := parseCert(takeSecret(out, n))
	if err != nil {
		return nil
	}
	return leaf.PublicKey
}

// listed splits each of OpenSSL's lists at all characters that can stand between and before names.
func listed(lists []string) (all [][]string) {
	between := func(r rune) bool { return strings.ContainsRune(":/?*, ", r) }
	for _, list := range lists {
		names := strings.FieldsFunc(strings.ToLower(list), between)
		all = append(all, slices.DeleteFunc(names, func(name string) bool { return name[0] == '-' })) // removed
	}
	return all
}
