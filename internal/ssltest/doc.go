// Package ssltest has what tests of several packages share: certificates and what they are made
// into, both ends of connections, ways between them, and peers that send what no TLS library does.
// What a helper makes is closed with its test.
package ssltest
