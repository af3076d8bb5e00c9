package grpcssl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"

	"sessl/ssl"
)

// ErrALPN says that the peer does not speak HTTP/2: h2, which gRPC demands, was not
// negotiated by ALPN (RFC 7301).
var ErrALPN = errors.New("h2 was not negotiated by ALPN")

// checkH2 returns an error that names the protocol negotiated instead of h2.
func checkH2(proto string) error {
	switch proto {
	case protoH2:
		return nil
	case "":
		return fail("handshake", fmt.Errorf("%w: the peer names no protocols", ErrALPN))
	}
	return fail("handshake", fmt.Errorf("%w, but %q", ErrALPN, proto))
}

const (
	alertNoProtocol  = 120 // no_application_protocol
	reasonNoProtocol = 235 // SSL_R_NO_APPLICATION_PROTOCOL
)

// refusedALPN reports whether a handshake failed because the two sides have no common protocol.
func refusedALPN(err error) bool {
	var e *ssl.Error
	if !errors.As(err, &e) {
		return false
	}
	if alert, ok := e.Alert(); ok {
		return alert == alertNoProtocol
	}
	return slices.ContainsFunc(e.Entries, func(entry ssl.Entry) bool {
		return entry.Library == "SSL routines" && entry.ReasonCode == reasonNoProtocol
	})
}

// explain gives the error of a handshake the form that gRPC looks at.
func explain(err error) error {
	if err == io.EOF {
		return err
	}
	if refusedALPN(err) {
		err = fmt.Errorf("%w: %w", ErrALPN, err)
	}
	return &handshakeError{err}
}

// handshakeError tells gRPC whether a retry makes sense. Unwrap leads to an ssl.Error.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// Temporary reports whether the network or a time limit caused the error, and not a property of
// the peer.
func (e *handshakeError) Temporary() bool {
	var told tls.AlertError
	if errors.As(e.err, &told) {
		return false
	}
	var op *net.OpError
	var errno syscall.Errno
	return errors.Is(e.err, io.ErrUnexpectedEOF) || errors.Is(e.err, context.DeadlineExceeded) ||
		errors.As(e.err, &op) || errors.As(e.err, &errno)
}
