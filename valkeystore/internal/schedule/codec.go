package schedule

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// What a value is refused for.
var (
	ErrSealed    = errors.New("it cannot be opened")
	ErrVersion   = errors.New("it is of another version")
	ErrMalformed = errors.New("it is malformed")
	ErrTooMany   = fmt.Errorf("it has more than %d keys", MaxKeys)
	ErrLower     = errors.New("it is of a lower generation")
	ErrEnded     = errors.New("none of its keys opens any more")
)

// ErrNone says that there is no schedule: neither in the database, nor on the machine.
var ErrNone = errors.New("there is no schedule of ticket keys")

const (
	version = 1
	headLen = 1 + 8 + 8 + 2 // version, era, generation, number of keys
	keyLen  = 8 + 8 + 8 + SecretLen
)

// MaxValue is the length of the longest value that is looked at. A schedule of MaxKeys has less than half.
const MaxValue = 16 << 10

// last is the highest era and the highest generation. Nothing comes near it by itself; but whoever has the
// seal keys could write the highest number of all, after which the next would be the lowest.
const last = 1 << 62

// unit is that of all times.
const unit = time.Millisecond

// encode returns the bytes of s, sealed.
func encode(s *Schedule, v Vault) ([]byte, error) {
	if s.Era > last || s.Generation > last {
		return nil, ErrMalformed
	}
	b := make([]byte, 0, headLen+len(s.Keys)*keyLen) // never grown, so that no copy is left
	defer func() { clear(b[:cap(b)]) }()
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, s.Era)
	b = binary.BigEndian.AppendUint64(b, s.Generation)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.Keys)))
	for _, k := range s.Keys {
		for _, t := range []time.Time{k.Made, k.From, k.Till} {
			b = binary.BigEndian.AppendUint64(b, uint64(millis(t)))
		}
		secret, err := k.SecretBytes()
		if err != nil {
			return nil, err
		}
		b = append(b, secret...)
		clear(secret)
	}
	return v.Seal(b)
}

// Decode returns the schedule in a value of the database. Its error is one of those above.
func Decode(sealed []byte, v Vault) (*Schedule, error) {
	if len(sealed) > MaxValue {
		return nil, ErrMalformed
	}
	b, err := v.Open(sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	defer clear(b)
	if len(b) > 0 && b[0] != version {
		return nil, ErrVersion
	}
	if len(b) < headLen {
		return nil, ErrMalformed
	}
	s := &Schedule{Era: binary.BigEndian.Uint64(b[1:]), Generation: binary.BigEndian.Uint64(b[9:])}
	n := int(binary.BigEndian.Uint16(b[17:]))
	switch {
	case n > MaxKeys:
		return nil, ErrTooMany
	case n == 0 || s.Generation == 0 || s.Generation > last || s.Era > last || len(b) != headLen+n*keyLen:
		return nil, ErrMalformed
	}
	for at := headLen; at < len(b); at += keyLen {
		k, err := decodeKey(b[at:at+keyLen], v)
		if err != nil {
			return nil, err
		}
		s.Keys = append(s.Keys, k)
	}
	return s, s.check()
}

func decodeKey(b []byte, v Vault) (k Key, err error) {
	k.Made, k.From, k.Till = instant(b), instant(b[8:]), instant(b[16:])
	if k.Secret, err = v.Parse(b[24:]); err != nil {
		return k, ErrMalformed
	}
	return k, nil
}

// check looks at what the rest relies on: the order of keys, their times and their names.
func (s *Schedule) check() error {
	names := map[string]bool{}
	var last time.Time
	line := s.line()
	for i, k := range s.Keys {
		if k.encrypts() != (i < line) || k.encrypts() != k.Till.IsZero() || names[k.Name()] {
			return ErrMalformed
		}
		if k.encrypts() && !k.From.After(last) {
			return ErrMalformed
		}
		names[k.Name()] = true
		last = later(last, k.From)
	}
	return nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func instant(b []byte) time.Time {
	ms := int64(binary.BigEndian.Uint64(b))
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
