package ssl

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"sessl/internal/clock"
)

// A TicketKeySet says what each of up to 64 keys is for. Their names must differ.
type TicketKeySet struct {
	// Current encrypts new tickets. If it is zero, tickets of the other keys are resumed and none is
	// issued: for a machine that does not know with which key the others encrypt now. A TLS 1.2
	// client then keeps the ticket that it has.
	Current TicketKey

	// Next becomes the current key. It opens tickets of machines that have already rotated;
	// may be zero.
	Next TicketKey

	// Future keys follow Next, in this order. They open tickets, as Next does.
	Future []TicketKey

	// Old keys open older tickets, newest key first.
	Old []TicketKey
}

// NewTicketKeysFrom begins with the keys of set, which only SetKeys and Rotate replace. The zero
// TicketKeySet is for a machine that gets its keys later.
func NewTicketKeysFrom(set TicketKeySet) (*TicketKeys, error) {
	return ticketKeysFrom("NewTicketKeysFrom", set, nil)
}

func ticketKeysFrom(op string, set TicketKeySet, files []string) (*TicketKeys, error) {
	ring, err := set.ring(op)
	if err != nil {
		return nil, err
	}
	defer freeRing(ring)
	t := &TicketKeys{files: slices.Clone(files)}
	if err := t.begin(op, ring, max(len(set.Old), 1)); err != nil {
		return nil, err
	}
	return t, nil
}

// LoadTicketKeys reads keys from files, either in the form of nginx's ssl_session_ticket_key
// (one key of 80 or 48 bytes a file; the first encrypts, the others are old ones), or from
// one file in the form of haproxy's tls-ticket-keys. See [ParseTicketKeys].
func LoadTicketKeys(files ...string) (*TicketKeys, error) {
	const op = "LoadTicketKeys"
	set, err := loadTicketKeySet(op, files)
	if err != nil {
		return nil, err
	}
	defer set.close()
	return ticketKeysFrom(op, set, files)
}

// LoadTicketKeySet reads the same files as LoadTicketKeys, but does not put the keys to use.
func LoadTicketKeySet(files ...string) (TicketKeySet, error) {
	return loadTicketKeySet("LoadTicketKeySet", files)
}

func loadTicketKeySet(op string, files []string) (set TicketKeySet, err error) {
	data := make([][]byte, len(files))
	defer func() {
		for _, b := range data {
			clear(b)
		}
	}()
	for i, name := range files {
		if data[i], err = readSecret(name); err != nil {
			return set, fail(op, err)
		}
	}
	return parseTicketKeys(op, data, func(i int) string { return files[i] })
}

// ParseTicketKeys takes the contents of ticket key files, which the caller should wipe
// afterwards. Two forms are possible:
//   - nginx's ssl_session_ticket_key: each file is one key (see [ParseTicketKey]). The
//     first is the current key, and the others are old ones.
//   - haproxy's tls-ticket-keys: one file of three or more lines, each a key of 80 or 48 bytes
//     in base64 (the name, the AES key, the HMAC key), all of one size. The last line is the
//     next key, the line before it the current one, and the line before that an old one.
//     Earlier lines are not used, as by haproxy: each key appended to the file retires one.
//
// ParseTicketKeys returns ErrMalformed for other forms, and ErrConfig if a name occurs twice.
func ParseTicketKeys(data ...[]byte) (TicketKeySet, error) {
	return parseTicketKeys("ParseTicketKeys", data, func(i int) string { return fmt.Sprintf("file %d", i+1) })
}

func parseTicketKeys(op string, data [][]byte, name func(int) string) (set TicketKeySet, err error) {
	defer func() {
		if err != nil {
			set.close()
			set = TicketKeySet{}
		}
	}()
	if len(data) == 0 {
		return set, fail(op, configError("no ticket key files"))
	}
	if !isTicketKey(data[0]) {
		if len(data) > 1 {
			return set, fail(op, fmt.Errorf("%s: %w: of several files, each has one key of %d or %d bytes",
				name(0), ErrMalformed, ticketKeyLong, ticketKeyShort))
		}
		set, err = parseHAProxy(op, data[0], name(0))
		if err != nil {
			return set, err
		}
		return set, set.check(op)
	}
	for i, b := range data {
		p, err := parseTicketKey(op, b, false)
		if err != nil {
			return set, fail(op, fmt.Errorf("%s: %w", name(i), causeOf(err)))
		}
		if k := adoptTicketKey(p); i == 0 {
			set.Current = k
		} else {
			set.Old = append(set.Old, k)
		}
	}
	return set, set.check(op)
}

func isTicketKey(b []byte) bool { return len(b) == ticketKeyLong || len(b) == ticketKeyShort }

// haproxyKeys is how many keys haproxy uses: the last ones of the file.
const haproxyKeys = 3

func parseHAProxy(op string, data []byte, name string) (set TicketKeySet, err error) {
	if len(data) > maxSecretFile {
		return set, fail(op, fmt.Errorf("%s: %w", name, ErrTooLarge))
	}
	lines := bytes.Split(bytes.TrimRight(data, "\r\n"), []byte("\n"))
	var keys []TicketKey
	size := 0
	buf := make([]byte, maxHAProxyLine)
	defer clear(buf)
	for i, line := range lines {
		line = bytes.TrimRight(line, "\r")
		if len(line) > maxHAProxyLine {
			line = nil // too long for a key
		}
		n, err := base64.StdEncoding.Strict().Decode(buf, line)
		if b := buf[:n]; err != nil || !isTicketKey(b) || size != 0 && n != size {
			closeTicketKeys(keys)
			return set, fail(op, fmt.Errorf(
				"%s: %w: line %d is not a key of %d or %d bytes in base64, of the size of the others",
				name, ErrMalformed, i+1, ticketKeyLong, ticketKeyShort))
		}
		size = n
		p, err := parseTicketKey(op, buf[:n], true)
		if err != nil {
			closeTicketKeys(keys)
			return set, fail(op, fmt.Errorf("%s: line %d: %w", name, i+1, causeOf(err)))
		}
		keys = append(keys, adoptTicketKey(p))
	}
	n := len(keys) - haproxyKeys
	if n < 0 {
		closeTicketKeys(keys)
		return set, fail(op, fmt.Errorf("%s: %w: %d keys, haproxy wants %d or more",
			name, ErrMalformed, len(keys), haproxyKeys))
	}
	closeTicketKeys(keys[:n])
	return TicketKeySet{Old: []TicketKey{keys[n]}, Current: keys[n+1], Next: keys[n+2]}, nil
}

// maxHAProxyLine is the length of a key in base64.
const maxHAProxyLine = (ticketKeyLong + 2) / 3 * 4

// SecretHAProxy returns the keys in the form of haproxy's tls-ticket-keys: a line for
// each key in base64, the oldest first, then the current one, then the next one. Future keys
// are left out, as haproxy takes the last line for the next key. The caller must keep the result
// secret, and wipe it. SecretHAProxy returns ErrConfig unless there are a current, a next and an
// old key, and all keys are of one size.
func (set TicketKeySet) SecretHAProxy() ([]byte, error) {
	const op = "TicketKeySet.SecretHAProxy"
	ring, err := set.ring(op)
	if err != nil {
		return nil, err
	}
	defer freeRing(ring)
	if set.Current.k == nil || set.Next.k == nil || len(set.Old) == 0 {
		return nil, fail(op, configError("haproxy wants a current, a next and at least an old key"))
	}
	ring = slices.Delete(slices.Clone(ring), 2, 2+len(set.Future))
	text := make([]byte, 0, len(ring)*(maxHAProxyLine+1)) // never grown, so that no copy is left
	for _, k := range slices.Concat(reversed(ring[2:]), ring[:2]) {
		if k.bits != ring[0].bits {
			clear(text)
			return nil, fail(op, configError("haproxy wants keys of one size"))
		}
		b := ticketKeyBytes(k.ptr, true)
		text = append(base64.StdEncoding.AppendEncode(text, b), '\n')
		clear(b)
	}
	return text, nil
}

func reversed(ring []ringKey) []ringKey {
	r := slices.Clone(ring)
	slices.Reverse(r)
	return r
}

func (set TicketKeySet) check(op string) error {
	ring, err := set.ring(op)
	freeRing(ring)
	return err
}

// ring returns the keys in the order of C, with a reference on each; freeRing gives them back.
func (set TicketKeySet) ring(op string) (ring []ringKey, err error) {
	defer func() {
		if err != nil {
			freeRing(ring)
			ring = nil
		}
	}()
	add := func(k TicketKey, use string) {
		if err != nil {
			return
		}
		err = k.withPtr(op, func(p ticketKeyPtr) error {
			ring = append(ring, newRingKey(upTicketKey(p), use, k.Made()))
			return nil
		})
	}
	if len(set.Old)+len(set.Future) > maxTicketKeys {
		return nil, fail(op, configError("more than %d ticket keys", maxTicketKeys))
	}
	if set.Next.k == nil && len(set.Future) > 0 {
		return nil, fail(op, configError("Future follows Next, which is zero"))
	}
	if set.Current.k != nil {
		add(set.Current, keyCurrent)
	}
	if set.Next.k != nil {
		add(set.Next, keyNext)
	}
	for _, k := range set.Future {
		add(k, keyFuture)
	}
	for _, k := range set.Old {
		add(k, keyOld)
	}
	if err == nil {
		if e := checkRing(ring); e != nil {
			err = fail(op, e)
		}
	}
	return ring, err
}

func checkRing(ring []ringKey) error {
	if len(ring) > maxTicketKeys {
		return configError("%d ticket keys, the limit is %d", len(ring), maxTicketKeys)
	}
	seen := map[ticketKeyName]bool{}
	for _, k := range ring {
		if seen[k.name] {
			return configError("two ticket keys have the name %s", k.name)
		}
		seen[k.name] = true
	}
	return nil
}

// seals reports whether the first key of ring encrypts.
func seals(ring []ringKey) bool { return len(ring) > 0 && ring[0].use == keyCurrent }

func newRingKey(p ticketKeyPtr, use string, made time.Time) ringKey {
	b := ticketKeyBytes(p, false)
	defer clear(b)
	k := ringKey{ptr: p, bits: (len(b) - ticketNameLen) * 4, use: use, made: made, since: clock.Now()}
	copy(k.name[:], b)
	return k
}

// mark notes that k encrypts from now on, if it is the current key.
func (k *ringKey) mark(now time.Time) {
	if k.use != keyCurrent {
		return
	}
	k.until = time.Time{}
	if k.from.IsZero() {
		k.from = now
	}
}

func freeRing(ring []ringKey) {
	for _, k := range ring {
		freeTicketKey(k.ptr)
	}
}

func ptrsOf(ring []ringKey) []ticketKeyPtr {
	ptrs := make([]ticketKeyPtr, len(ring))
	for i, k := range ring {
		ptrs[i] = k.ptr
	}
	return ptrs
}

// holdTicketKey returns a reference on k, or on a new random key if k is zero.
func holdTicketKey(op string, k TicketKey) (p ticketKeyPtr, err error) {
	if k.k == nil {
		return randomTicketKey(op)
	}
	err = k.withPtr(op, func(q ticketKeyPtr) error {
		p = upTicketKey(q)
		return nil
	})
	return p, err
}

// close gives up keys that only this package has seen, without waiting for the collector.
func (set TicketKeySet) close() {
	closeTicketKeys([]TicketKey{set.Current, set.Next})
	closeTicketKeys(set.Future)
	closeTicketKeys(set.Old)
}

func closeTicketKeys(keys []TicketKey) {
	for _, k := range keys {
		if k.k != nil {
			k.k.h.close()
		}
	}
}
