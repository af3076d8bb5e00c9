package ssl

import (
	"bytes"
	"io"
	"os"
	"sync"
)

// keyLogMu serializes all writers, because two Ctxs may have the same one.
var keyLogMu sync.Mutex

// writeLines makes one Write for each line.
func writeLines(w io.Writer, b []byte) error {
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n') + 1
		put, err := w.Write(b[:n:n])
		if err == nil && put < n {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// KeyLogFromEnvironment opens the file that the environment variable SSLKEYLOGFILE
// names, for [Config].KeyLogWriter. Lines are appended; only its owner can read and
// write a new file. If the variable is not set, it returns nil and no error. Nothing
// else in this package uses the variable: whoever sets it can read all traffic of a
// program that calls this function for it. The caller closes the file.
func KeyLogFromEnvironment() (io.WriteCloser, error) {
	name := os.Getenv("SSLKEYLOGFILE")
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fail("KeyLogFromEnvironment", err)
	}
	return f, nil
}
