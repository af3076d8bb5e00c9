package grpcssl

import (
	"context"
	"crypto/x509"
	"net/url"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"sessl/ssl"
)

// ConnFromContext returns the connection of an RPC, from the context of a server's handler or
// of a client's stream. The connection belongs to gRPC, which closes it: take sessions and
// states from it, but do not read, write or close it.
func ConnFromContext(ctx context.Context) (*ssl.Conn, bool) {
	if ctx == nil {
		return nil, false
	}
	p, _ := peer.FromContext(ctx)
	return ConnFromPeer(p)
}

// ConnFromPeer is ConnFromContext for the peer that the call option grpc.Peer gives to a
// client.
func ConnFromPeer(p *peer.Peer) (*ssl.Conn, bool) {
	if p == nil {
		return nil, false
	}
	a, ok := p.LocalAddr.(localAddr)
	return a.conn, ok
}

// localAddr is the local address of a connection, and leads back to the connection.
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

// authInfo describes a peer to gRPC and its users.
func authInfo(state ssl.ConnectionState) credentials.TLSInfo {
	level := credentials.PrivacyAndIntegrity
	if state.CipherBits == 0 { // a suite without encryption, which InsecureSecurityLevel0 permits
		level = credentials.IntegrityOnly
	}
	info := credentials.TLSInfo{
		State:          state.TLS(),
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: level},
	}
	if len(state.PeerCertificates) > 0 {
		info.SPIFFEID = spiffeID(state.PeerCertificates[0])
	}
	return info
}

// spiffeID returns the SPIFFE ID of an X.509-SVID, or nil if there is none. The ID is the
// certificate's only URI, has the scheme spiffe, a trust domain and a path, and nothing else.
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
