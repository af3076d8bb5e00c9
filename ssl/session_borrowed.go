package ssl

import (
	"crypto/x509"
	"io"
	"time"
)

// A BorrowedSession is a connection's session for the duration of a WithSession call
// (SSL_get0_session). It has the getters of Session, but neither setters nor Close. After the
// call has returned, every method returns ErrBorrowExpired; UpRef keeps the session for longer.
type BorrowedSession struct {
	s Session
}

// borrow takes over the caller's reference on p until expire.
func borrow(p sessionPtr) *BorrowedSession {
	b := &BorrowedSession{}
	b.s.h.adopt(&borrowedKind, p)
	return b
}

func (b *BorrowedSession) expire() { b.s.h.close() }

// session returns nil for a nil b, so that the getters of Session return ErrNil.
func (b *BorrowedSession) session() *Session {
	if b == nil {
		return nil
	}
	return &b.s
}

// String describes the session in one line without its secrets.
func (b *BorrowedSession) String() string { return b.session().String() }

// GoString is String.
func (b *BorrowedSession) GoString() string { return b.String() }

// UpRef makes an owned handle on the same object (SSL_SESSION_up_ref), which outlives the borrow and
// must be closed.
func (b *BorrowedSession) UpRef() (*Session, error) { return b.session().UpRef() }

// Dup makes an owned copy (SSL_SESSION_dup): [Session.Dup].
func (b *BorrowedSession) Dup() (*Session, error) { return b.session().Dup() }

// ID is [Session.ID].
func (b *BorrowedSession) ID() ([]byte, error) { return b.session().ID() }

// IDContext is [Session.IDContext].
func (b *BorrowedSession) IDContext() ([]byte, error) { return b.session().IDContext() }

// ProtocolVersion is [Session.ProtocolVersion].
func (b *BorrowedSession) ProtocolVersion() (uint16, error) { return b.session().ProtocolVersion() }

// Cipher is [Session.Cipher].
func (b *BorrowedSession) Cipher() (id uint16, name string, err error) { return b.session().Cipher() }

// Time is [Session.Time].
func (b *BorrowedSession) Time() (time.Time, error) { return b.session().Time() }

// Timeout is [Session.Timeout].
func (b *BorrowedSession) Timeout() (time.Duration, error) { return b.session().Timeout() }

// Hostname is [Session.Hostname].
func (b *BorrowedSession) Hostname() (string, error) { return b.session().Hostname() }

// ALPN is [Session.ALPN].
func (b *BorrowedSession) ALPN() (string, error) { return b.session().ALPN() }

// HasTicket is [Session.HasTicket].
func (b *BorrowedSession) HasTicket() (bool, error) { return b.session().HasTicket() }

// Ticket is [Session.Ticket].
func (b *BorrowedSession) Ticket() ([]byte, error) { return b.session().Ticket() }

// TicketLifetimeHint is [Session.TicketLifetimeHint].
func (b *BorrowedSession) TicketLifetimeHint() (time.Duration, error) {
	return b.session().TicketLifetimeHint()
}

// TicketAppData is [Session.TicketAppData].
func (b *BorrowedSession) TicketAppData() ([]byte, error) { return b.session().TicketAppData() }

// MaxEarlyData is [Session.MaxEarlyData].
func (b *BorrowedSession) MaxEarlyData() (uint32, error) { return b.session().MaxEarlyData() }

// MaxFragmentLength is [Session.MaxFragmentLength].
func (b *BorrowedSession) MaxFragmentLength() (int, error) { return b.session().MaxFragmentLength() }

// CompressID is [Session.CompressID].
func (b *BorrowedSession) CompressID() (uint, error) { return b.session().CompressID() }

// Resumable is [Session.Resumable].
func (b *BorrowedSession) Resumable() (bool, error) { return b.session().Resumable() }

// PeerCertificateDER is [Session.PeerCertificateDER].
func (b *BorrowedSession) PeerCertificateDER() ([]byte, error) {
	return b.session().PeerCertificateDER()
}

// PeerCertificate is [Session.PeerCertificate].
func (b *BorrowedSession) PeerCertificate() (*x509.Certificate, error) {
	return b.session().PeerCertificate()
}

// PeerRawPublicKey is [Session.PeerRawPublicKey].
func (b *BorrowedSession) PeerRawPublicKey() ([]byte, error) { return b.session().PeerRawPublicKey() }

// SecretMasterKey is [Session.SecretMasterKey].
func (b *BorrowedSession) SecretMasterKey() ([]byte, error) { return b.session().SecretMasterKey() }

// SecretKeyLogLine is [Session.SecretKeyLogLine].
func (b *BorrowedSession) SecretKeyLogLine() (string, error) { return b.session().SecretKeyLogLine() }

// MarshalBinary is [Session.MarshalBinary].
func (b *BorrowedSession) MarshalBinary() ([]byte, error) { return b.session().MarshalBinary() }

// MarshalPEM is [Session.MarshalPEM].
func (b *BorrowedSession) MarshalPEM() ([]byte, error) { return b.session().MarshalPEM() }

// Print is [Session.Print].
func (b *BorrowedSession) Print(w io.Writer) error { return b.session().Print(w) }

// PrintWithSecrets is [Session.PrintWithSecrets].
func (b *BorrowedSession) PrintWithSecrets(w io.Writer) error { return b.session().PrintWithSecrets(w) }

// ExData is [Session.ExData].
func (b *BorrowedSession) ExData(index SessionIndex) (any, error) { return b.session().ExData(index) }
