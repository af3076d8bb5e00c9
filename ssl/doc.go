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
// Dial, Dialer and Client resume by themselves: a client's Ctx has a cache of sessions,
// and Conn.ReuseState says what became of resumption. The rest is for programs that
// keep sessions themselves.
//
// Conn.Session returns a connection's session, Config.OnNewSession gets each new one as
// it arrives, Conn.SetSession offers one to the next connection, and Conn.SessionReused
// reports whether it was resumed. MarshalPEM and ParseSessionPEM use the format of
// openssl s_client -sess_out and openssl sess_id.
//
// # Ownership
//
//   - A *Session, *Conn or *Ctx is one reference in C. Close gives it back, once. The garbage
//     collector does so for a forgotten handle, but cannot see how much memory the handle holds.
//   - The caller owns, and must close, what it made and what OnNewSession gave it. What
//     is passed to SetSession stays the caller's.
//   - UpRef makes another handle on the same object, Dup another object.
//   - A *BorrowedSession belongs to the connection and ends with WithSession's function.
//   - A session that a Conn or Ctx has used does not change any more; change a Dup.
//
// # Errors
//
// Failures are *Error: the operation, a cause for errors.Is, and OpenSSL's reasons. If a
// peer fails verification, the cause is a *VerificationError. Errors of the connection
// underneath, deadlines included, are the *net.OpError of package net in an Error. errors.As
// finds what crypto/tls would have returned, too: a *tls.CertificateVerificationError and
// crypto/x509's reason in it, a tls.RecordHeaderError for a peer that does not speak TLS, and
// for an alert a tls.AlertError and a *net.OpError whose Op is "remote error".
//
// # Resumption and verification
//
// A resumed handshake shows no certificate, and OpenSSL checks neither name nor trust
// then. A verifying client of this package offers a session only if its peer was
// verified under the same configuration, including revocation lists, or its certificate
// verifies now. A server's demands on its clients are part of its session id context.
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
