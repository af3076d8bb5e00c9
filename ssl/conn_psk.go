package ssl

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// ErrPSKDeclined says that the server of a client with PSKOnly did not use the key. The
// server may not know its identity, or may be another one.
var ErrPSKDeclined = errors.New("server did not use the PSK, and PSKOnly accepts no certificate")

// lookUpPSK calls GetPSK for the identities that cannot be tickets and are not in PSKs,
// until one is known.
func (c *Conn) lookUpPSK(h *ClientHelloInfo, found []string) error {
	if c.ctx.highest < VersionTLS13 || !slices.Contains(h.SupportedVersions, VersionTLS13) {
		return nil
	}
	for _, id := range h.identities {
		identity := string(id)
		if slices.Contains(found, identity) || c.ctx.opensTicket(id) {
			continue // to be resumed, unless it has expired
		}
		if c.ctx.psk.known[identity] {
			return nil
		}
		switch k, err := c.askPSK(h, identity); {
		case err != nil:
			c.refuse(alertFor(err, alertInternalError))
			return fail("handshake", err)
		case k.k != nil:
			return c.foundPSK(k)
		}
	}
	return nil
}

func (c *Conn) askPSK(h *ClientHelloInfo, identity string) (PSK, error) {
	k, err := c.ctx.psk.get(h, identity)
	switch {
	case err != nil || k.k == nil:
		return PSK{}, err
	case k.k.identity != identity:
		return PSK{}, configError("GetPSK was asked for %s and returned %s", quotedIdentity(identity), k)
	case k.k.hash != c.ctx.psk.hash:
		return PSK{}, configError("GetPSK returned %s, but the first TLS 1.3 suite has %s", k, c.ctx.psk.hash)
	}
	return k, nil
}

// opensTicket reports whether id begins like the tickets for which c has the key.
func (c *Ctx) opensTicket(id []byte) bool {
	if len(id) < ticketNameLen {
		return false
	}
	name := ticketKeyName(id[:ticketNameLen])
	if c.ticketKeys != nil {
		return c.ticketKeys.has(name)
	}
	return c.psk.ticket != nil && *c.psk.ticket == name
}

// has reports whether tickets with that name can be opened.
func (k *TicketKeys) has(name ticketKeyName) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.ring, func(r ringKey) bool { return r.name == name })
}

// pskIdentity is the identity as the application knows it, from the session's field: in
// TLS 1.3, where it may have any bytes, that field is hexadecimal.
func pskIdentity(version uint16, kept string) string {
	if version < VersionTLS13 {
		return kept
	}
	b, err := hex.DecodeString(kept)
	if err != nil {
		return kept // not a session of this package
	}
	return string(b)
}

// stampPSK stamps the sessions of a peer that has shown that it knows the key, now or
// when the session began. mu is held.
func (c *Conn) stampPSK(p connPtr) error { return c.setStamp(p, c.stampOfKind(stampPSK)) }

// explainPSK adds ErrPSKDeclined to the refusal of a certificate by a client that accepts none.
func (c *Conn) explainPSK(err error) error {
	var e *Error
	var v *VerificationError
	if c.ctx.psk.only && errors.As(err, &e) && errors.As(err, &v) {
		e.Err = fmt.Errorf("%w: %w", ErrPSKDeclined, v)
	}
	return err
}

// lookUps settles which sessions and keys of the client libssl will find.
func (c *Conn) lookUps(ctx context.Context, h *ClientHelloInfo) (err error) {
	var found []string
	if c.ctx.cache != nil {
		found = c.lookUp(ctx, h)
	}
	if c.ctx.psk.get != nil {
		err = c.lookUpPSK(h, found)
	}
	return err
}
