// Package neighbours hands ticket keys to servers beside this process that can use three of them: to nginx
// in files, to HAProxy in a file and over its stats socket.
package neighbours

import (
	"bytes"
	"encoding/base64"
	"time"

	"sessl/valkeystore/internal/schedule"
)

// A Set is what a neighbour has of a schedule. Next opens tickets of machines whose clock is a little ahead,
// and Old those that were made before the last turn. A neighbour must have three keys: where there is no old
// or no next one, the current key stands in its place, so that a neighbour never encrypts with any other.
type Set struct {
	Old, Current, Next schedule.Secret
	Early              bool // all machines have Next, by what is known here
}

// SetOf returns the set of a machine's places, in a fleet whose machines have asked for the schedule within
// period. ok is false if no key encrypts: a neighbour cannot do without.
func SetOf(at schedule.Places, period time.Duration) (s Set, ok bool) {
	if at.Current.Secret == nil {
		return s, false
	}
	s = Set{Old: at.Current.Secret, Current: at.Current.Secret, Next: at.Current.Secret}
	if len(at.Ahead) > 0 {
		s.Next, s.Early = at.Ahead[0].Secret, at.Now.Sub(at.Ahead[0].Made) >= period
	}
	if len(at.Old) > 0 {
		s.Old = at.Old[0].Secret
	}
	return s, true
}

// Equal reports whether two sets have the same keys.
func (s Set) Equal(other Set) bool {
	return s.Current != nil && other.Current != nil && s.Old.Name() == other.Old.Name() &&
		s.Current.Name() == other.Current.Name() && s.Next.Name() == other.Next.Name() && s.Early == other.Early
}

const (
	nameLen  = 16
	halfLen  = (schedule.SecretLen - nameLen) / 2
	lineLen  = (schedule.SecretLen + 2) / 3 * 4
	haproxys = 3 // keys that HAProxy has
)

// lines are the keys as HAProxy has them: the last but one encrypts. It is the next one as soon as all
// machines have that, because HAProxy renews a ticket in TLS 1.3 only if it does not encrypt with its key,
// and machines make tickets with the current one. The caller wipes them.
func (s Set) lines() (all [haproxys][]byte, err error) {
	keys := [haproxys]schedule.Secret{s.Old, s.Current, s.Next}
	if s.Early {
		keys[1], keys[2] = s.Next, s.Current
	}
	for i, k := range keys {
		if all[i], err = line(k); err != nil {
			wipe(all[:])
			return all, err
		}
	}
	return all, nil
}

// line is a key in HAProxy's form: in base64, with the key of AES before that of HMAC.
func line(k schedule.Secret) ([]byte, error) {
	b, err := k.SecretBytes()
	if err != nil {
		return nil, err
	}
	defer clear(b)
	var turned [schedule.SecretLen]byte
	defer clear(turned[:])
	copy(turned[:], b[:nameLen])
	copy(turned[nameLen:], b[nameLen+halfLen:])
	copy(turned[nameLen+halfLen:], b[nameLen:nameLen+halfLen])
	text := make([]byte, lineLen)
	base64.StdEncoding.Encode(text, turned[:])
	return text, nil
}

func wipe(all [][]byte) {
	for _, b := range all {
		clear(b)
	}
}

// lacking returns which of the keys that HAProxy should have it must be sent, if it has those. Each one that
// is sent becomes the last, and the first is dropped.
func lacking(have, want [][]byte) [][]byte {
	for n := len(want); n > 0; n-- {
		if len(have) >= n && equal(have[len(have)-n:], want[:n]) {
			return want[n:]
		}
	}
	return want
}

func equal(a, b [][]byte) bool {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
