package ssl

import (
	"bytes"
	"encoding/binary"
	"time"
	"weak"

	"sessl/internal/clock"
)

// DeriveTicketKeys makes TicketKeys for fleets that share a secret and no database: each machine
// derives the same keys from secret, a new one for each period, by HKDF-SHA256 (RFC 5869) over the
// number of the period since 1970. secret has 32 random bytes or more, up to 1 MiB; the caller may wipe it
// afterwards. Machines must have the same secret and period, and clocks that differ by less than a
// period: the keys of the periods before and after open tickets, too.
//
// A key opens tickets for keep after its period has ended; 0 means two hours, the default of
// SessionTimeout, and 61 periods are the most. A period is a second at least. Rotate and SetKeys
// return ErrConfig: the keys follow the clock, which is looked at once a minute or more often.
//
// These keys lack forward secrecy against a thief of secret: it opens every ticket of the past and
// of the future, and keys are only as new as secret is. [NewTicketKeys] and [NewTicketKeysFrom] do
// not have this weakness. DeriveTicketKeys returns ErrConfig for a secret that is too short or repeats
// one byte, and for limits out of range.
func DeriveTicketKeys(secret []byte, period, keep time.Duration) (*TicketKeys, error) {
	const op = "DeriveTicketKeys"
	if len(secret) < SealKeyLen || len(secret) > maxSecretFile ||
		bytes.Count(secret, secret[:1]) == len(secret) {
		return nil, fail(op, configError("the secret must have %d to %d random bytes", SealKeyLen, maxSecretFile))
	}
	if period <= 0 {
		return nil, fail(op, configError("the period is %v", period))
	}
	o := TicketKeysOptions{RotateEvery: period, KeepFor: keep}
	old, err := o.check()
	if err == nil && old+1 > maxTicketKeys-2 { // one more for clocks that are behind
		err = configError("keep is %v, which with a period of %v makes more than %d keys",
			keep, period, maxTicketKeys)
	}
	if err != nil {
		return nil, fail(op, err)
	}
	d := &derivation{period: period}
	if d.master, err = masterOf(op, secret); err != nil {
		return nil, err
	}
	d.now = d.number(clock.Now())
	ring, err := d.ring(op, d.now, old+1)
	defer freeRing(ring)
	if err != nil {
		return nil, err
	}
	t := &TicketKeys{derived: d}
	if err := t.begin(op, ring, old+1); err != nil {
		return nil, err
	}
	w := weak.Make(t) // the timer must not keep t alive
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = clock.AfterFunc(d.wait(clock.Now()), func() {
		if t := w.Value(); t != nil {
			t.follow()
		}
	})
	return t, nil
}

// A derivation is where keys come from that follow the clock. now is under writing.
type derivation struct {
	master TicketKey // holds the secret in C, which wipes it
	period time.Duration
	now    int64 // the number of the period whose key is current
}

func (d *derivation) number(t time.Time) int64 { return t.UnixNano() / int64(d.period) }

// wait is the time to the next period, or a minute: the clock may be set meanwhile.
func (d *derivation) wait(t time.Time) time.Duration {
	return min(d.period-time.Duration(t.UnixNano()%int64(d.period)), time.Minute)
}

// follow brings the keys to the period that it is now. If there is no memory, the keys stay until the
// next look at the clock.
func (t *TicketKeys) follow() {
	const op = "TicketKeys"
	d := t.derived
	err := t.withPtr(op, func(p ticketKeysPtr) error {
		t.writing.Lock()
		defer t.writing.Unlock()
		n := d.number(clock.Now())
		if n == d.now {
			return nil
		}
		ring, err := d.ring(op, n, t.keep)
		defer freeRing(ring)
		if err != nil {
			return err
		}
		if err := t.replace(op, p, ring, t.keep); err != nil {
			return err
		}
		d.now = n
		t.rotated.Add(1)
		return nil
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.h.isClosed() {
		return
	}
	if err != nil {
		t.failed.Add(1)
	}
	t.timer.Reset(d.wait(clock.Now()))
}

// ring is the key of period n, the next one, and old ones, each with a reference that freeRing gives
// back, also after an error.
func (d *derivation) ring(op string, n int64, old int) (ring []ringKey, err error) {
	add := func(n int64, use string) {
		if err != nil {
			return
		}
		var p ticketKeyPtr
		if p, err = d.key(op, n); err == nil {
			ring = append(ring, newRingKey(p, use, time.Unix(0, n*int64(d.period))))
		}
	}
	add(n, keyCurrent)
	add(n+1, keyNext)
	for i := range old {
		add(n-1-int64(i), keyOld)
	}
	return ring, err
}

var (
	deriveSalt = []byte("sessl derived ticket keys\x00\x00\x00\x00\x00\x00\x00") // as HMAC fills it up
	deriveInfo = "ticket key"
)

// masterOf keeps HKDF-Extract of the secret in the place of a ticket key's secrets: C wipes it.
func masterOf(op string, secret []byte) (TicketKey, error) {
	var salt sealKey
	copy(salt.key[:], deriveSalt)
	extracted, err := salt.derive(secret)
	if err != nil {
		return TicketKey{}, fail(op, err)
	}
	b := make([]byte, ticketKeyLong)
	copy(b[ticketNameLen:], extracted)
	clear(extracted)
	p, err := readTicketKey(op, b, false)
	clear(b)
	if err != nil {
		return TicketKey{}, err
	}
	return adoptTicketKey(p), nil
}

// key is HKDF-Expand to the 80 bytes of a ticket key; it returns +1.
func (d *derivation) key(op string, n int64) (p ticketKeyPtr, err error) {
	info := []byte(deriveInfo)
	info = binary.BigEndian.AppendUint64(info, uint64(d.period))
	info = binary.BigEndian.AppendUint64(info, uint64(n))
	out := make([]byte, 0, 3*SealKeyLen)
	defer func() { clear(out[:cap(out)]) }()
	err = d.master.withPtr(op, func(m ticketKeyPtr) error {
		var prk sealKey
		b := ticketKeyBytes(m, false)
		copy(prk.key[:], b[ticketNameLen:])
		clear(b)
		defer clear(prk.key[:])
		text := make([]byte, 0, SealKeyLen+len(info)+1) // never grown, so that no copy is left
		defer func() { clear(text[:cap(text)]) }()
		for i := range 3 {
			text = append(append(text, info...), byte(i+1))
			block, err := prk.derive(text)
			if err != nil {
				return fail(op, err)
			}
			out = append(out, block...)
			text = append(text[:0], block...)
			clear(block)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return readTicketKey(op, out[:ticketKeyLong], false)
}
