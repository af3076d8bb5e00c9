package ssltest

import (
	"errors"
	"net"
	"os"
	"testing"

	"sessl/ssl"
)

// A Refusal is a call that must be refused.
type Refusal = struct {
	What string
	Err  error
	Want error
}

// IsClosed says that err is what a closed Conn reports, in our terms and in net's.
func IsClosed(err error) bool {
	return errors.Is(err, ssl.ErrClosed) && errors.Is(err, net.ErrClosed)
}

// ErrorOf drops the value of a call.
func ErrorOf[T any](_ T, err error) error { return err }

// IsTimeout reports whether err says that a deadline has passed.
func IsTimeout(err error) bool {
	var e net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &e) && e.Timeout()
}

// VerifyCode is the X509_V_ERR_* for which the peer was refused, 0 if that is not the error.
func VerifyCode(err error) int {
	var v *ssl.VerificationError
	if errors.As(err, &v) {
		return v.Code
	}
	return 0
}

// AlertOf is the alert that the peer sent, -1 if that is not the error.
func AlertOf(err error) int {
	var e *ssl.Error
	if errors.As(err, &e) {
		if a, ok := e.Alert(); ok {
			return int(a)
		}
	}
	return -1
}

// RefusesAll wants every attempt to fail with its error.
func RefusesAll(t *testing.T, attempts []Refusal) {
	t.Helper()
	for _, a := range attempts {
		Refuses(t, a.What, a.Err, a.Want)
	}
}

// ErrorAlone is the error of a call that returns two things, of which the first must be nil.
func ErrorAlone[V comparable](v V, err error) error {
	var zero V
	if v != zero && err != nil {
		return errors.New("a value and an error at once: " + err.Error())
	}
	return err
}

// OnPurpose is the value of a panic that a test makes.
const OnPurpose = "on purpose"

// Recovered is what f panics with.
func Recovered(f func()) (r any) {
	defer func() { r = recover() }()
	f()
	return nil
}

// WantAbandoned checks that there is no need to close a Conn whose Config panicked.
func WantAbandoned(t *testing.T, c *ssl.Conn, before ssl.Counters) {
	t.Helper()
	if n := ssl.ReadCounters().Conns.Closed - before.Conns.Closed; n != 1 {
		t.Errorf("%d Conns were closed, want this one", n)
	}
	if _, err := c.NetConn().Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket: %v, want it closed", err)
	}
	var e *ssl.Error
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &e) {
		t.Errorf("Read: %v, want an *ssl.Error", err)
	}
	if _, err := c.Write([]byte("x")); !errors.As(err, &e) {
		t.Errorf("Write: %v, want an *ssl.Error", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// ErrRefused is what a VerifyConnection says of any peer.
var ErrRefused = errors.New("refused by the application")

// RefusalOf is the VerificationError in err.
func RefusalOf(t *testing.T, err error) *ssl.VerificationError {
	t.Helper()
	var v *ssl.VerificationError
	if !errors.As(err, &v) {
		t.Fatalf("%v is no VerificationError", err)
	}
	return v
}

// Must returns a function that wants a call to succeed, and returns its value.
func Must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
