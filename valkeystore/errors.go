package valkeystore

import (
	"errors"
	"fmt"

	"sessl/ssl"
)

// ErrNotConnected says that the database could not be reached yet; the text has the last reason.
var ErrNotConnected = errors.New("not connected to the database yet")

func fail(op string, err error) error { return &ssl.Error{Op: "valkeystore." + op, Err: err} }

func configError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ssl.ErrConfig, fmt.Sprintf(format, args...))
}
