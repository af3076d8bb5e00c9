// Package ssl makes TLS connections with the system's OpenSSL, for programs that need its
// sessions: to keep one, copy it, store it, move it to another process and resume it.
//
// # Connections
//
// A Ctx (SSL_CTX) is made from a Config; a Conn (SSL) is made from a Ctx over any
// net.Conn, and is a net.Conn itself. Dial, Dialer and Listen do both steps. Names follow
// crypto/tls where the concept is the same.
//
// # Sessions
//
// Dial, Dialer and Client resume by themselves: a client's Ctx has a cache of sessions, and
// Conn.ReuseState says what came of it. The rest is for those who keep sessions themselves.
//
// Conn.Session gives a connection's session, Config.OnNewSession each new one as it
// arrives, Conn.SetSession offers one to the next connection, and Conn.SessionReused tells
// what came of it. MarshalPEM and ParseSessionPEM speak the format of openssl s_client
// -sess_out and openssl sess_id.
//
// # Ownership
//
//   - A *Session, *Conn or *Ctx is one reference in C. Close gives it back, once; the
//     garbage collector does for a handle that was forgotten, but cannot see how much
//     memory that holds.
//   - What you made, and what OnNewSession gave you, is yours to close. What you pass to
//     SetSession stays yours.
//   - UpRef is another handle on the same object, Dup another object.
//   - A *BorrowedSession belongs to the connection and ends with WithSession's function.
//   - A session that a Conn or Ctx has seen is immutable; change a Dup.
//
// # Errors
//
// Failures are *Error: the operation, a cause for errors.Is, and what OpenSSL had to say.
// Peers that fail verification give a *VerificationError. What the connection underneath
// reports to a Read or Write, deadlines included, is returned as it is, for net.Error.
//
// # Resumption and verification
//
// A resumed handshake shows no certificate, and OpenSSL checks neither name nor trust
// then. A verifying client of this package offers a session only if its peer was verified
// under the same configuration, revocation lists included, or its certificate verifies now.
// A server's demands on its clients are part of its session id context.
package ssl

// The plan of the house. The first word of a file's name is its room.
//
// The lower floor can be read and tested without a connection; no file of it names Conn, Ctx or Config:
//   - session (handles, encoding, seals), finalizer (all handles of C), c (types of C), errors, stats
//   - clientcache, servercache, store, ticketkeys, psk, seal, secret, replayguard
//   - certificate, roots, names, hello
//
// The upper floor:
//   - config: what may be asked for, and whether it can work
//   - ctx: a Config as an SSL_CTX, and what its connections share
//   - conn: one connection, from dialing to closing
//   - transport: how its bytes move, by socket or by net.Conn
