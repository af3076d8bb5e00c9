package ssl

/*
#cgo noescape sessl_conn_take_keylog
#cgo nocallback sessl_conn_take_keylog
#cgo nocallback sessl_ctx_log_keys
#include "conn.h"
*/
import "C"

import (
	"fmt"
)

func setKeyLog(_ string, cfg *Config, c *Ctx, p ctxPtr) error {
	if c.keyLog = cfg.KeyLogWriter; c.keyLog != nil {
		C.sessl_ctx_log_keys(p) // SSL_CTX_set_keylog_callback
	}
	return nil
}

// maxKeyLines is how many batches of lines can wait; a handshake has fewer.
const maxKeyLines = 16

// takeKeyLog moves the lines of a step from C to Go. mu is held.
func (c *Conn) takeKeyLog(p connPtr) {
	if p.keylog_len == 0 {
		return
	}
	lines := make([]byte, int(p.keylog_len))
	C.sessl_conn_take_keylog(p, bytePtr(lines))
	if len(c.keyLog.lines) == maxKeyLines { // of KeyUpdates that no Read has reached
		clear(c.keyLog.lines[0])
		c.keyLog.lines = c.keyLog.lines[1:]
	}
	c.keyLog.lines = append(c.keyLog.lines, lines)
	c.keyLog.waiting.Store(true)
}

// logKeys passes the waiting lines to KeyLogWriter, and wipes them. mu is not held, and
// ctx is not replaced meanwhile.
func (c *Conn) logKeys() error {
	c.mu.Lock()
	c.keyLog.waiting.Store(false)
	batches := c.keyLog.lines
	c.keyLog.lines = nil
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
		return nil // the host that was chosen meanwhile has no log
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
