package ssl

/*
#cgo noescape sessl_conn_take_keylog
#cgo nocallback sessl_conn_take_keylog
#cgo nocallback sessl_ctx_log_keys
#include "cshim.h"
*/
import "C"

func setKeyLog(_ string, cfg *Config, c *Ctx, p ctxPtr) error {
	if c.keyLog = cfg.KeyLogWriter; c.keyLog != nil {
		C.sessl_ctx_log_keys(p) // SSL_CTX_set_keylog_callback
	}
	return nil
}

// takeKeyLog moves the lines that a step has made to Go. mu is held.
func (c *Conn) takeKeyLog(p connPtr) {
	if p.keylog_len == 0 {
		return
	}
	lines := make([]byte, int(p.keylog_len))
	C.sessl_conn_take_keylog(p, bytePtr(lines))
	c.keyLines = append(c.keyLines, lines)
}
