package ssl

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
)

// Errors that calls of this package wrap; test for them with errors.Is.
var (
	// ErrClosed says that the handle has been closed, or is the zero value of its type.
	// It is a net.ErrClosed too.
	ErrClosed error = closedError{}

	// ErrNil says that a pointer was nil: the receiver's, or a required argument's.
	ErrNil = errors.New("nil pointer")

	// ErrBorrowExpired says that a BorrowedSession was used after the function that was
	// given it had returned.
	ErrBorrowExpired = errors.New("borrowed session used after WithSession returned")

	// ErrNoSession says that the connection has no session, because its handshake is not complete.
	ErrNoSession = errors.New("no session before the handshake is complete")

	// ErrNotResumable says that the session cannot be offered: it has no id or ticket
	// where it needs one, or OpenSSL has marked it. See [Session.Resumable].
	ErrNotResumable = errors.New("session is not resumable")

	// ErrNoTicketKey says that no ticket can be made: the server's TicketKeys have no current key.
	ErrNoTicketKey = errors.New("no ticket key is current")

	// ErrNotSerializable says that the session cannot be encoded: it has no cipher, so it
	// was never part of a handshake.
	ErrNotSerializable = errors.New("session has no cipher and cannot be encoded")

	// ErrSessionShared says that the session has been given to a Conn, a Ctx or a cache.
	// OpenSSL requires sessions to be immutable from then on; change a Dup.
	ErrSessionShared = errors.New("session is shared and cannot be changed; Dup it first")

	// ErrSessionCtx says that the session belongs to another Ctx. Offer a Dup.
	ErrSessionCtx = errors.New("session belongs to another Ctx")

	// ErrServer says that the call is for clients only.
	ErrServer = errors.New("for clients only, this is a server's")

	// ErrClient says that the call is for servers only.
	ErrClient = errors.New("for servers only, this is a client's")

	// ErrTLS13Only says that the connection's version of TLS lacks the feature.
	ErrTLS13Only = errors.New("possible in TLS 1.3 only")

	// ErrNoExtendedMasterSecret says that in TLS 1.2 the peer does not support it (RFC 7627).
	ErrNoExtendedMasterSecret = errors.New("no extended master secret, which exported keys need")

	// ErrHandshakeIncomplete says that the call must come after the handshake.
	ErrHandshakeIncomplete = errors.New("handshake is not complete")

	// ErrHandshakeStarted says that the call must come before the handshake.
	ErrHandshakeStarted = errors.New("handshake has already started")

	// ErrNoEarlyData says that no early data can be sent on this connection; the text
	// has the reason.
	ErrNoEarlyData = errors.New("no early data")

	// ErrTooLarge says that the input is longer than the field or format can be.
	ErrTooLarge = errors.New("too large")

	// ErrRange says that a number or a time is outside of what can be stored.
	ErrRange = errors.New("value out of range")

	// ErrTrailingData says that input was left over after a complete value.
	ErrTrailingData = errors.New("trailing data")

	// ErrMalformed says that the input could not be parsed.
	ErrMalformed = errors.New("malformed input")

	// ErrSealed says that sealed bytes were changed, are something else, or were sealed
	// with an unknown key.
	ErrSealed = errors.New("sealed bytes cannot be opened")

	// ErrStoreBusy says that too many writes wait for a SessionStore.
	ErrStoreBusy = errors.New("too many writes wait for the store")

	// ErrPassword says that a private key is encrypted, and its password is missing or wrong.
	ErrPassword = errors.New("password missing or wrong")

	// ErrUnsupported says that the OpenSSL in use lacks the feature; the text has the
	// version that has it.
	ErrUnsupported = errors.New("not supported by this version of OpenSSL")

	// ErrNoProvider says that no provider of OpenSSL can do what the configuration demands:
	// see [Config].FIPS and PropertyQuery. The Error's entries have OpenSSL's reasons.
	ErrNoProvider = errors.New("no OpenSSL provider for the configuration")

	// ErrUnverified says that a connection that verifies its peer resumed a session
	// whose peer was never verified.
	ErrUnverified = errors.New("resumed session was never verified under this configuration")

	// ErrPostHandshakeAuth says that this connection's client cannot be asked for a
	// certificate after the handshake; the text has the reason.
	ErrPostHandshakeAuth = errors.New("client cannot be asked for a certificate after the handshake")

	// ErrRequestPending says that the client is being asked for its certificate.
	ErrRequestPending = errors.New("client is being asked for its certificate")

	// ErrNoMemory says that an allocation in C failed. OpenSSL does not always report that.
	ErrNoMemory = errors.New("out of memory")

	// ErrLegacyServer says that the server lacks secure renegotiation (RFC 5746): see
	// [Config].InsecureLegacyServer.
	ErrLegacyServer = errors.New("server lacks secure renegotiation (RFC 5746), " +
		"and only Config.InsecureLegacyServer permits that")

	// ErrRenegotiation says that the connection ended after the peer had asked for
	// renegotiation, which is always refused (SSL_OP_NO_RENEGOTIATION).
	ErrRenegotiation = errors.New("connection ended after the peer had asked for renegotiation, which is " +
		"refused (a server that wants a client certificate must ask for it in the handshake)")

	// ErrConfig says that a Config cannot work; the text has the reason.
	ErrConfig = errors.New("invalid configuration")
)

type closedError struct{}

func (closedError) Error() string { return "closed" }

// Is makes errors.Is(err, net.ErrClosed) true, which servers test for.
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// wrongCtx says what a Ctx is that the call cannot use. It is an ErrServer or ErrClient.
type wrongCtx struct {
	is   error
	text string
}

func (e *wrongCtx) Error() string { return e.text }
func (e *wrongCtx) Unwrap() error { return e.is }

var (
	errServersCtx = &wrongCtx{ErrServer, "the Ctx is a server's, and a client's is needed (NewClientCtx)"}
	errClientsCtx = &wrongCtx{ErrClient, "the Ctx is a client's, and a server's is needed (NewServerCtx)"}
)

// errCtxClosed says what is closed, because most calls that meet it are those of a Dialer, a listener or a
// connection.
var errCtxClosed = fmt.Errorf("the Ctx is %w", ErrClosed)

// errPanicked is the handshake's error for calls that did not see the panic themselves.
var errPanicked = errors.New("a function of the Config panicked")

// errAnonymous is the error of a client that is to verify its server, or whose application judges it.
var errAnonymous = errors.New("the server has shown no certificate, in an anonymous cipher suite")

// errHelloChanged is the error of a server that has chosen a host and gets a different hello.
var errHelloChanged = errors.New("the second ClientHello asks for another host or protocol than the first")

// Entry is one entry of OpenSSL's error queue.
type Entry struct {
	Code    uint64 // as returned by ERR_get_error
	Library string // ERR_lib_error_string, "SSL routines"
	Reason  string // ERR_reason_error_string, "certificate verify failed"
	Data    string // the entry's additional data, such as "SSL alert number 48"

	// ReasonCode is ERR_GET_REASON(Code), one of OpenSSL's *_R_* constants.
	ReasonCode int
}

// Error is the error type of this package: the operation that failed, why, and the
// errors that OpenSSL had queued on the thread of the call. It never holds key material.
type Error struct {
	Op      string  // the operation, named as in this package: "ParseSession"
	Err     error   // the cause in this package's or net's terms; nil if only OpenSSL knows it
	Entries []Entry // oldest first: the first is the cause. Empty if OpenSSL queued none
}

// Error returns one line: the operation, the cause, and OpenSSL's first reason.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("ssl: " + e.Op + ": ")
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	}
	if len(e.Entries) == 0 {
		if e.Err == nil {
			b.WriteString("failed, and OpenSSL gave no reason")
		}
		return b.String()
	}
	if e.Err != nil {
		b.WriteString(": ")
	}
	first := e.Entries[0]
	b.WriteString(first.Reason)
	if first.Data != "" {
		b.WriteString(" (" + first.Data + ")")
	}
	return b.String()
}

// Unwrap returns Err, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether a deadline was the cause. With Timeout and Temporary, an
// Error is a net.Error.
func (e *Error) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// Temporary reports the same as Timeout.
func (e *Error) Temporary() bool { return e.Timeout() }

// sslRAlertOffset is SSL_AD_REASON_OFFSET: the reason of a received alert is its number
// plus this. libssl has reasons of its own among those numbers, one for a staple that it cannot parse;
// receivedAlert is what only the entries of received alerts have.
const (
	sslRAlertOffset = 1000
	receivedAlert   = "SSL alert number "
)

// Alert returns the TLS alert that the peer sent, if an alert caused the error. Its
// numbers are those of RFC 8446, section 6.
func (e *Error) Alert() (alert uint8, ok bool) {
	for _, entry := range e.Entries {
		r := entry.ReasonCode - sslRAlertOffset
		if entry.Library == "SSL routines" && r >= 0 && r < 256 && strings.HasPrefix(entry.Data, receivedAlert) {
			return uint8(r), true
		}
	}
	return 0, false
}

// As finds an alert that the peer sent in the forms of crypto/tls, too: a tls.AlertError, and a
// *net.OpError whose Op is "remote error". A record that was changed on the way is a *net.OpError
// whose Op is "local error".
func (e *Error) As(target any) bool {
	op := "remote error"
	alert, ok := e.Alert()
	if !ok && e.hasBadRecord() {
		op, alert = "local error", alertBadRecordMAC
	} else if !ok {
		return false
	}
	switch t := target.(type) {
	case *tls.AlertError:
		*t = tls.AlertError(alert)
		return ok
	case **net.OpError:
		*t = &net.OpError{Op: op, Err: tls.AlertError(alert)}
		return true
	}
	return false
}

func fail(op string, err error) error {
	return &Error{Op: op, Err: err}
}

// nilArgument is the cause if one of several things that must be there is nil.
func nilArgument(what string) error { return fmt.Errorf("%w: %s", ErrNil, what) }

// unsupportedIn is the cause if the library in use lacks what; need may be empty.
func unsupportedIn(what, need string) error {
	if need != "" {
		what += " needs " + need
	}
	return fmt.Errorf("%w: %s", ErrUnsupported, what)
}

func unsupported(op, need string) error {
	return fail(op, fmt.Errorf("%w: needs %s", ErrUnsupported, need))
}

// causeOf is err without its operation, for another error to wrap.
func causeOf(err error) error {
	if e, ok := err.(*Error); ok && e.Err != nil {
		return e.Err
	}
	return err
}

func configError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
}

// inOp returns err as an error of op.
func inOp(op string, err error) error {
	if err == nil { // first, because e is allocated
		return nil
	}
	var e *Error
	switch {
	case !errors.As(err, &e):
		return fail(op, err)
	case e.Op == op:
		return err
	}
	return &Error{Op: op, Err: e.Err, Entries: e.Entries}
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
