// Package grpcssl gives gRPC the TLS of package ssl: credentials.TransportCredentials for
// google.golang.org/grpc's clients and servers.
//
// NewClientCredentials and NewServerCredentials take the place of credentials.NewTLS. HTTP/2
// is demanded by ALPN on both sides, as gRPC demands it: a peer that does not negotiate h2
// is refused with [ErrALPN].
//
// # Who the peer is
//
// The peer's AuthInfo is a credentials.TLSInfo, the same type as with credentials.NewTLS:
// package authz of gRPC, and interceptors that look for a client's certificate, know a
// caller by no other type, and take one whose AuthInfo has another for nobody. In a
// handler, [ConnFromContext] is the connection itself, with its session and all that
// ssl.ConnectionState has beyond crypto/tls's. It is found by way of peer.Peer's LocalAddr,
// whose type is this package's; the connection's LocalAddr method has the original.
//
// # Sessions
//
// A client that connects to an authority again, in the same channel or another of the same
// credentials, resumes: its sessions are in the cache of its ssl.Ctx, or in the one of
// [WithSessionCache]. Servers behind one authority should have the same ticket keys.
//
// # Ends of a connection
//
// A handshake that fails closes the connection that gRPC gave to it. A client's ends with
// its context; a server's with gRPC's connection timeout (grpc.ConnectionTimeout) or the
// HandshakeTimeout of its ssl.Config, whichever is first, up to which Stop and GracefulStop wait for handshakes under way. A panic in a function of the
// ssl.Config closes the connection and goes on: gRPC recovers from none, as with
// credentials.NewTLS.
package grpcssl
