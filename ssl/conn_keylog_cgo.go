package ssl

/*
#cgo noescape sessl_conn_take_keylog
#cgo nocallback sessl_conn_take_keylog
#cgo nocallback sessl_ctx_log_keys
#include "cshim.h"
*/
import "C"

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
)

func setKeyLog(_ string, cfg *Config, c *Ctx, p ctxPtr) error {
	if c.keyLog = cfg.KeyLogWriter; c.keyLog != nil {
		C.sessl_ctx_log_keys(p) // SSL_CTX_set_keylog_callback
	}
	return nil
}

// maxKeyLines is how many batches of lines wait; a handshake has fewer.
const maxKeyLines = 16

// takeKeyLog moves the lines that a step has made to Go. mu is held.
func (c *Conn) takeKeyLog(p connPtr) {
	if p.keylog_len == 0 {
		return
	}
	lines := make([]byte, int(p.keylog_len))
	C.sessl_conn_take_keylog(p, bytePtr(lines))
	if len(c.keyLines) == maxKeyLines { // of KeyUpdates, which are not read for a Read
		clear(c.keyLines[0])
		c.keyLines = c.keyLines[1:]
	}
	c.keyLines = append(c.keyLines, lines)
	c.logs.Store(true)
}

// keyLogMu is for all writers: two Ctxs may have the same one.
var keyLogMu sync.Mutex

// logKeys hands the lines that have come to KeyLogWriter, and wipes them. mu is not held, and ctx
// becomes no other meanwhile.
func (c *Conn) logKeys() error {
	c.mu.Lock()
	c.logs.Store(false)
	batches := c.keyLines
	c.keyLines = nil
	c.mu.Unlock()
	if len(batches) == 0 {
		return nil
	}
	defer func() { // also when the writer panics
		for _, b := range batches {
			clear(b)
		}
	}()
	if c.ctx.keyLog == nil {
		return nil // the host that was chosen meanwhile keeps no log
	}
	keyLogMu.Lock()
	defer keyLogMu.Unlock()
	for _, b := range batches {
		if err := writeLines(c.ctx.keyLog, b); err != nil {
			return fail("handshake", fmt.Errorf("KeyLogWriter: %w", err))
		}
	}
	return nil
}

// writeLines makes one Write a line.
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

// KeyLogFromEnvironment opens the file that the environment variable SSLKEYLOGFILE names,
// for [Config].KeyLogWriter. Lines are appended; a new file can be read and written by its
// owner only. Without the variable it returns nil and no error. Nothing else in this
// package looks at the variable: whoever sets it can read all traffic of a program that
// asks for it here. The caller closes the file.
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
