package ssltest

import (
	"crypto/tls"
)

// Cipher suites, and a signature scheme, by their numbers.
const (
	SuiteAES128GCM13   = 0x1301
	SuiteAES256GCM13   = 0x1302
	SuiteECDSAAES128   = 0xC02B
	SuiteRSAAES128     = 0xC02F
	SuiteRSAAES256     = 0xC030
	SuiteStaticRSA     = 0x009C // AES128-GCM-SHA256: not forward secret
	SuiteDHE           = 0x009E
	SuiteNULL          = 0x003B // NULL-SHA256
	SuiteECDSACBC      = 0xC009 // any version up to TLS 1.2
	SuitePSK           = 0x00A8
	SchemeRSAPSSPSS256 = tls.SignatureScheme(0x0809)
)

// More cipher suites.
const (
	SuiteECDSAAES256 = 0xC02C
	SuiteECDSAChaCha = 0xCCA9
)
