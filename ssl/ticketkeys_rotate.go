package ssl

import (
	"slices"

	"sessl/internal/clock"
)

// tick runs when the timer fires. If there is no memory or randomness, the keys stay
// until next time.
func (t *TicketKeys) tick() {
	err := t.Rotate(TicketKey{})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.h.isClosed() {
		return
	}
	if err != nil {
		t.failed.Add(1)
	}
	t.timer.Reset(t.every)
}

// Rotate moves every key one step: the next key becomes the current one, future keys move up,
// next becomes the last of the future keys (the next key if there are none), the current key
// becomes an old one, and the oldest is dropped. The zero TicketKey stands for a new random key. If
// all machines of a fleet get the same keys in the same order, every machine can open tickets of a
// key before any machine encrypts with it. If there was no next key, the current one stays; if there
// was no current one either, the second Rotate is the one after which tickets are issued.
//
// The number of old keys that remain is the one that SetKeys was given or NewTicketKeys computed,
// and at least one; it is less if there would be more than 64 keys. Rotate returns ErrConfig if next
// is among the keys already. After an error the keys stay as they were.
func (t *TicketKeys) Rotate(next TicketKey) error {
	const op = "TicketKeys.Rotate"
	return t.withPtr(op, func(p ticketKeysPtr) error {
		if t.derived != nil {
			return fail(op, configError("these keys follow the clock"))
		}
		t.writing.Lock()
		defer t.writing.Unlock()
		fresh, err := holdTicketKey(op, next)
		if err != nil {
			return err
		}
		defer freeTicketKey(fresh)
		made := next.Made()
		if next.k == nil {
			made = clock.Now()
		}
		ring := t.after(newRingKey(fresh, keyNext, made))
		if err := checkRing(ring); err != nil {
			return fail(op, err)
		}
		if err := t.replace(op, p, ring, t.keep); err != nil {
			return err
		}
		t.rotated.Add(1)
		return nil
	})
}

// after is the ring that follows the one in use. The keys ahead of the current one move up, and
// next becomes the last of them.
func (t *TicketKeys) after(next ringKey) []ringKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	ahead := 0 // where those keys begin
	if seals(t.ring) {
		ahead = 1
	}
	old := ahead // where the old ones begin
	for old < len(t.ring) && t.ring[old].use != keyOld {
		old++
	}
	if ahead == old {
		ring := slices.Insert(slices.Clone(t.ring), ahead, next)
		return ring[:min(len(ring), maxTicketKeys)]
	}
	ring := slices.Concat(t.ring[ahead:old], []ringKey{next}, t.ring[:ahead], t.ring[old:])
	n := old - ahead + 1 // keys that are not old
	for i := range ring {
		ring[i].use = useOf(i, n)
	}
	return ring[:min(len(ring), n+t.keep, maxTicketKeys)]
}

// useOf is the use of the key at i in a ring of which n keys are not old.
func useOf(i, n int) string {
	switch {
	case i == 0:
		return keyCurrent
	case i >= n:
		return keyOld
	case i == 1:
		return keyNext
	}
	return keyFuture
}
