package ssl

import (
	"context"
	"fmt"
)

// maxSigning bounds how many handshakes of the process have a thread in which libssl waits for the
// signature of a crypto.Signer, whatever number of peers begins one. Others wait for their turn in Go.
const maxSigning = 256

// signers counts them. Handshakes have a place from when they get a thread until they give it back,
// which C says: see result and freeConn.
var signers = newGate(maxSigning)

// takeThread gets the handshake a thread, on which it can wait for a signature.
func (c *Conn) takeThread(ctx context.Context) error {
	select {
	case signers.places <- struct{}{}:
	case <-ctx.Done():
		c.refuse(alertInternalError)
		return fail("handshake", context.Cause(ctx))
	}
	err := c.lendThread()
	if err != nil {
		signers.leave()
		c.refuse(alertInternalError)
	}
	return err
}

// sign gets the signature that the handshake waits for. The crypto.Signer works on another goroutine,
// so the handshake and its thread do not wait longer for it than they may. Without an answer the next
// step ends the handshake with the alert internal_error.
func (c *Conn) sign(ctx context.Context) error {
	chain, t, err := c.whatToSign()
	if err != nil {
		return err
	}
	done := make(chan signed, 1)
	go t.sign(chain.signer, chain.leaf.PublicKey, done)
	select {
	case s := <-done:
		if s.panicked != nil {
			panic(s.panicked)
		}
		if s.err == nil {
			return c.signed(s.sig)
		}
		err = s.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return fail("handshake", fmt.Errorf("the crypto.Signer of the certificate: %w", err))
}
