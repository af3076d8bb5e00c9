package grpcssl

import (
	"context"
	"crypto/x509"
	"net/url"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"sessl/ssl"
)

// ConnFromContext returns the connection of an RPC: with the context of a server's handler,
// or that of a client's stream. It belongs to gRPC, which closes it: take sessions and
// states from it, but do not read, write or close.
func ConnFromContext(ctx context.Context) (*ssl.Conn, bool) {
	if ctx == nil {
		return nil, false
	}
	p, _ := peer.FromContext(ctx)
	return ConnFromPeer(p)
}

// ConnFromPeer is ConnFromContext for what the call option grpc.Peer gives to a client.
func ConnFromPeer(p *peer.Peer) (*ssl.Conn, bool) {
	if p == nil {
		return nil, false
	}
	a, ok := p.LocalAddr.(localAddr)
	return a.conn, ok
}

// localAddr is the local address of a connection, and the way back to that.
type localAddr struct{ conn *ssl.Conn }

// Network returns the network of the connection underneath.
func (a localAddr) Network() string {
	if addr := a.conn.LocalAddr(); addr != nil {
		return addr.Network()
	}
	return ""
}

// String returns the address of the connection underneath.
func (a localAddr) String() string {
	if addr := a.conn.LocalAddr(); addr != nil {
		return addr.String()
	}
	return ""
}

// authInfo is what gRPC and its users know of a peer.
func authInfo(state ssl.ConnectionState) credentials.TLSInfo {
	info := credentials.TLSInfo{
		State:          state.TLS(),
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}
	if len(state.PeerCertificates) > 0 {
		info.SPIFFEID = spiffeID(state.PeerCertificates[0])
	}
	return info
}

// spiffeID is the SPIFFE ID of an X.509-SVID: its only URI, of the scheme spiffe, with a
// trust domain and a path and nothing else. Nil if there is none.
func spiffeID(cert *x509.Certificate) *url.URL {
	if len(cert.URIs) != 1 {
		return nil
	}
	u := cert.URIs[0]
	if u.Scheme != "spiffe" || u.Host == "" || len(u.Host) > 255 || u.Path == "" || len(u.String()) > 2048 {
		return nil
	}
	if u.Opaque != "" || u.User != nil || u.Port() != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil
	}
	return u
}
