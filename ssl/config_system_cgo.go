package ssl

/*
#cgo noescape sessl_system_of
#cgo nocallback sessl_system_of
#include <openssl/ssl.h>

#include "ctx.h"
*/
import "C"

// systemSettings are the settings in the section system_default of openssl.cnf
// (config(5), SSL_CONF_cmd(3)). libssl has applied them to every SSL_CTX. They are
// known here so that no default of this package replaces them, and so that code that
// depends on a value sees the one in force.
type systemSettings struct {
	hasMin, hasMax bool
	lowest         uint16 // with hasMin: MinProtocol
	highest        uint16 // with hasMax: MaxProtocol
	enabled        int    // versions that Protocol names, one bit each, from TLS 1.0 on
	disabled       int
	suites12       bool // CipherString
	suites13       bool // Ciphersuites
	firstSuite     uint16
	tickets        int // NumTickets; -1: not settled
	noTickets      bool
	auth           ClientAuthType // VerifyMode, for servers
	later          bool
}

// Bits of enabled and disabled.
const allVersions = C.SESSL_OPT_TLS10 | C.SESSL_OPT_TLS11 | C.SESSL_OPT_TLS12 | C.SESSL_OPT_TLS13

func versionBit(v uint16) int { return C.SESSL_OPT_TLS10 << (v - VersionTLS10) }

// readSystem asks C, which reads the section once in a process.
func readSystem(op string, server bool) (*systemSettings, error) {
	var e cErr
	var c C.sessl_system
	if C.sessl_system_of(cBool(server), &c, &e) == 0 {
		return nil, asError(op, nil, &e)
	}
	s := &systemSettings{
		hasMin: c.has_min != 0, hasMax: c.has_max != 0 && c.max != 0,
		lowest: max(uint16(c.min), VersionTLS10), highest: uint16(c.max),
		enabled: int(c.off) & allVersions, disabled: int(c.on) & allVersions,
		suites12: c.suites12 != 0, suites13: c.suites13 != 0, firstSuite: uint16(c.first13),
		tickets: int(c.tickets), noTickets: c.on&C.SESSL_OPT_NO_TICKET != 0,
	}
	if server && c.verify&C.SSL_VERIFY_PEER != 0 {
		s.auth, s.later = VerifyClientCertIfGiven, c.verify&C.SSL_VERIFY_POST_HANDSHAKE != 0
		if c.verify&C.SSL_VERIFY_FAIL_IF_NO_PEER_CERT != 0 {
			s.auth = RequireAndVerifyClientCert
		}
	}
	return s, nil
}
