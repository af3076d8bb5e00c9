package ssl

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
)

// ClientHelloInfo describes a ClientHello, with the fields of crypto/tls. Nothing in it
// has been verified.
type ClientHelloInfo struct {
	CipherSuites      []uint16
	ServerName        string   // SNI, "" for none
	SupportedProtos   []string // ALPN, in the client's order
	SupportedVersions []uint16
	SupportedCurves   []tls.CurveID
	SignatureSchemes  []tls.SignatureScheme
	Extensions        []uint16 // the numbers of all extensions, in order
	SessionID         []byte   // in TLS 1.2 (SSL_client_hello_get0_session_id); without meaning in TLS 1.3

	// Conn is the connection underneath, for its addresses: it must not be read from or
	// written to.
	Conn net.Conn

	ticket     []byte   // of TLS 1.2
	identities [][]byte // of pre-shared keys, to which the sessions of TLS 1.3 belong

	ctx context.Context
}

// Context ends when the handshake's context does, when its read deadline passes, and when
// the Conn is closed.
func (h *ClientHelloInfo) Context() context.Context { return h.ctx }

// TLS returns h in the type of crypto/tls, for functions that choose certificates by it. Its slices are
// h's, its Context is nil, and the formats of points, which only old curves have, are those without
// compression.
func (h *ClientHelloInfo) TLS() *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		CipherSuites:      h.CipherSuites,
		ServerName:        h.ServerName,
		SupportedCurves:   h.SupportedCurves,
		SupportedPoints:   []uint8{0},
		SignatureSchemes:  h.SignatureSchemes,
		SupportedProtos:   h.SupportedProtos,
		SupportedVersions: h.SupportedVersions,
		Extensions:        h.Extensions,
		Conn:              h.Conn,
	}
}

// Numbers of extensions in the TLS registry.
const (
	extServerName          = 0
	extSupportedGroups     = 10
	extSignatureAlgorithms = 13
	extALPN                = 16
	extSessionTicket       = 35
	extPreSharedKey        = 41
	extEarlyData           = 42
	extSupportedVersions   = 43
)

// parseHello reads the shim's copy of a ClientHello. The extensions are the client's
// bytes. A malformed one counts as missing, because libssl will refuse it anyway.
func parseHello(b []byte) *ClientHelloInfo {
	h := &ClientHelloInfo{}
	r := reader(b)
	legacy := r.uint16()
	h.SessionID = r.bytes(1)
	h.CipherSuites = uint16s[uint16](r.bytes(2))
	for len(r) > 0 {
		number := r.uint16()
		h.Extensions = append(h.Extensions, number)
		h.extension(number, r.bytes(2))
	}
	if h.SupportedVersions == nil {
		for v := min(legacy, VersionTLS12); v >= VersionTLS10; v-- {
			h.SupportedVersions = append(h.SupportedVersions, v)
		}
	}
	return h
}

func (h *ClientHelloInfo) extension(number uint16, r reader) {
	switch number {
	case extServerName:
		list := reader(r.bytes(2))
		if list.uint8() == 0 { // host_name
			h.ServerName = string(list.bytes(2))
		}
	case extSupportedGroups:
		h.SupportedCurves = uint16s[tls.CurveID](r.bytes(2))
	case extSignatureAlgorithms:
		h.SignatureSchemes = uint16s[tls.SignatureScheme](r.bytes(2))
	case extALPN:
		for list := reader(r.bytes(2)); len(list) > 0; {
			h.SupportedProtos = append(h.SupportedProtos, string(list.bytes(1)))
		}
	case extSessionTicket:
		h.ticket = slices.Clone(r)
	case extPreSharedKey:
		for list := reader(r.bytes(2)); len(list) > 0 && len(h.identities) < maxLookups; list.take(4) {
			h.identities = append(h.identities, list.bytes(2))
		}
	case extSupportedVersions:
		h.SupportedVersions = uint16s[uint16](r.bytes(1))
	}
}

// reader takes numbers and counted bytes off its front. A value that is too short is empty.
type reader []byte

func (r *reader) take(n int) []byte {
	if n > len(*r) {
		*r = nil
		return nil
	}
	b := (*r)[:n:n]
	*r = (*r)[n:]
	return b
}

func (r *reader) uint8() uint8 { return uint8(r.number(1)) }

func (r *reader) uint16() uint16 { return uint16(r.number(2)) }

func (r *reader) number(width int) (n int) {
	for _, b := range r.take(width) {
		n = n<<8 | int(b)
	}
	return n
}

// bytes takes a length of width bytes, and then that many bytes.
func (r *reader) bytes(width int) []byte { return slices.Clone(r.take(r.number(width))) }

func uint16s[T ~uint16](r reader) []T {
	var out []T
	for len(r) >= 2 {
		out = append(out, T(r.uint16()))
	}
	return out
}

// maxLookups bounds how many lookups a client can cause in one handshake.
const maxLookups = 4
