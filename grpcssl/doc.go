// Package grpcssl gives gRPC the TLS of package ssl: credentials.TransportCredentials for
// google.golang.org/grpc's clients and servers.
//
// NewClientCredentials and NewServerCredentials replace credentials.NewTLS. As gRPC demands it,
// both sides demand HTTP/2 by ALPN: a peer that does not negotiate h2 is refused with
// [ErrALPN].
//
// # The identity of the peer
//
// The peer's AuthInfo is a credentials.TLSInfo, the same type as with credentials.NewTLS.
// gRPC's package authz, and interceptors that look for a client's certificate, recognize only
// this type, and treat a caller whose AuthInfo has another type as unauthenticated. In a
// handler, [ConnFromContext] returns the connection itself, with its session and all fields of
// ssl.ConnectionState that crypto/tls does not have. The connection is found through the
// LocalAddr of peer.Peer, whose type is this package's; the connection's LocalAddr method
// returns the original address.
//
// # Sessions
//
// A client that connects to an authority again, in the same channel or in another with the same
// credentials, resumes: its sessions are in the cache of its ssl.Ctx, or in the cache of
// [WithSessionCache]. Servers behind one authority should have the same ticket keys, and so should
// a server and the one that takes its place after a restart.
//
// # Errors
//
// An RPC whose connection could not be made fails with the code Unavailable, and gRPC makes text
// of the reason: errors.As finds nothing in it. gRPC's server says nothing of a failed handshake,
// unless GRPC_GO_LOG_SEVERITY_LEVEL is info. On both sides LastFailures of [Credentials.Ctx] has
// the errors themselves, and Stats counts them.
//
// # Ends of a connection
//
// A handshake that fails closes the connection that gRPC gave to it. A client's handshake ends
// with its context. A server's handshake ends with gRPC's connection timeout
// (grpc.ConnectionTimeout) or the HandshakeTimeout of its ssl.Config, whichever is first; Stop
// and GracefulStop wait that long for handshakes in progress. A panic in a function of the
// ssl.Config closes the connection and continues up the stack: gRPC recovers from no panic, as
// with credentials.NewTLS.
package grpcssl
