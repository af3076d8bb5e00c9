package ssl

/*
#cgo noescape sessl_ctx_take_removed
#cgo nocallback sessl_ctx_take_removed
#cgo nocallback sessl_buf_free
#cgo noescape sessl_ctx_report_removed
#cgo nocallback sessl_ctx_report_removed
#include "cshim.h"
*/
import "C"

import "unsafe"

// setRemoved has libssl report what it removes, if anybody wants to know
// (SSL_CTX_sess_set_remove_cb).
func setRemoved(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	c.onRemove = cfg.OnRemoveSession
	if !c.wantsRemoved() {
		return nil
	}
	var e cErr
	if C.sessl_ctx_report_removed(p, &e) == 0 {
		return asError(op, ErrNoMemory, &e)
	}
	return nil
}

// wantsRemoved says that somebody is to be told: a cache without a store goes by the mark.
func (c *Ctx) wantsRemoved() bool {
	return c.onRemove != nil || c.cache != nil && c.cache.behind != nil
}

// takeRemoved is what has been removed since it was last called.
func (c *Ctx) takeRemoved() (ids [][]byte) {
	c.withPtr("", func(p ctxPtr) error {
		var buf C.sessl_buf
		C.sessl_ctx_take_removed(p, &buf)
		r := reader(C.GoBytes(unsafe.Pointer(buf.p), C.int(buf.tail)))
		C.sessl_buf_free(&buf)
		for len(r) > 0 {
			ids = append(ids, r.bytes(1))
		}
		return nil
	})
	return ids
}

// deliverRemoved tells of them. No lock is held. What is met while it is at it, by the functions
// that it calls or by others, it tells of as well: OnRemoveSession is never called by itself, nor
// twice at the same time.
func (c *Ctx) deliverRemoved() {
	if c == nil || !c.wantsRemoved() || c.removals.Add(1) > 1 {
		return
	}
	told := false
	defer func() {
		if !told { // it has panicked
			c.removals.Store(0)
		}
	}()
	for !told {
		seen := c.removals.Load()
		for _, id := range c.takeRemoved() {
			c.tellRemoved(id)
		}
		told = c.removals.CompareAndSwap(seen, 0)
	}
}

func (c *Ctx) tellRemoved(id []byte) {
	if c.cache != nil {
		c.cache.invalidated(id)
	}
	if c.onRemove != nil {
		c.onRemove(c, id)
	}
}
