package ssl

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// LoadSealKeys reads keys from files, each with 32 random bytes or with 64 hexadecimal digits and perhaps
// a line end. The first file has the key that seals. It returns ErrMalformed for a file in another form
// or with 32 bytes of text, and names the file. It returns ErrConfig in the cases of [NewSealKeys] and
// without files.
func LoadSealKeys(files ...string) (*SealKeys, error) {
	const op = "LoadSealKeys"
	keys, err := readSealKeys(op, files)
	if err != nil {
		return nil, err
	}
	defer clearAll(keys)
	k, err := sealKeysFrom(op, keys)
	if err != nil {
		return nil, err
	}
	k.files = slices.Clone(files)
	return k, nil
}

func readSealKeys(op string, files []string) (keys [][]byte, err error) {
	if len(files) == 0 {
		return nil, fail(op, configError("no seal key files"))
	}
	defer func() {
		if err != nil {
			clearAll(keys)
		}
	}()
	for _, name := range files {
		text, err := readSecret(name)
		if err != nil {
			return keys, fail(op, err)
		}
		key, ok := parseSealKey(text)
		clear(text)
		if !ok {
			return keys, fail(op, fmt.Errorf("%s: %w: neither %d random bytes nor %d hexadecimal digits",
				name, ErrMalformed, SealKeyLen, 2*SealKeyLen))
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// parseSealKey returns a copy of the key in a file. The caller wipes both.
func parseSealKey(text []byte) (key []byte, ok bool) {
	if len(text) == SealKeyLen {
		return bytes.Clone(text), !printable(text)
	}
	digits := bytes.TrimRight(text, "\r\n")
	if len(digits) != 2*SealKeyLen {
		return nil, false
	}
	key = make([]byte, SealKeyLen)
	if _, err := hex.Decode(key, digits); err != nil {
		clear(key)
		return nil, false
	}
	return key, true
}

// printable reports whether text was typed. Of random bytes that is as good as never so.
func printable(text []byte) bool {
	for _, b := range text {
		if (b < ' ' || b > '~') && b != '\n' && b != '\r' && b != '\t' {
			return false
		}
	}
	return true
}

func clearAll(secrets [][]byte) {
	for _, b := range secrets {
		clear(b)
	}
}

// SetKeys replaces all keys, for servers and caches that are at work: current seals from now on, and
// the old keys also open. The keys are copied, and dropped keys are wiped. It returns ErrConfig
// in the cases of [NewSealKeys], and ErrClosed after Close. After an error the keys stay as they were.
func (k *SealKeys) SetKeys(current []byte, old ...[]byte) error {
	const op = "SealKeys.SetKeys"
	if k == nil {
		return fail(op, ErrNil)
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	return k.replace(op, append([][]byte{current}, old...))
}

// Reload reads the files of [LoadSealKeys] again. If one of them cannot be read or used, it returns the
// error, and the keys stay as they were. It returns ErrConfig for SealKeys without files.
func (k *SealKeys) Reload() error {
	const op = "SealKeys.Reload"
	if k == nil {
		return fail(op, ErrNil)
	}
	if len(k.files) == 0 {
		return fail(op, configError("there are no files: LoadSealKeys has them"))
	}
	k.reloading.Lock() // not writing: a pipe may block for long
	defer k.reloading.Unlock()
	keys, err := readSealKeys(op, k.files)
	if err != nil {
		return err
	}
	defer clearAll(keys)
	k.writing.Lock()
	defer k.writing.Unlock()
	return k.replace(op, keys)
}

// replace makes keys the only keys. writing is held.
func (k *SealKeys) replace(op string, keys [][]byte) error {
	made, err := sealKeysFrom(op, keys)
	if err != nil {
		return err
	}
	defer made.Close() // of the earlier keys
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.keys) == 0 {
		return fail(op, ErrClosed)
	}
	if err := k.replaceIDKeys(made.keys); err != nil {
		return fail(op, err)
	}
	for i := range made.keys {
		if was := k.find(made.keys[i].id[:]); was >= 0 {
			made.keys[i].since = k.keys[was].since
		}
	}
	k.keys, made.keys = made.keys, k.keys
	return nil
}

// A SealKeyInfo describes one key, but not its bytes.
type SealKeyInfo struct {
	ID    string    // eight hexadecimal digits of a hash, with which sealed data begins
	Use   string    // "current" or "old"
	Since time.Time // when these SealKeys got the key
}

// Infos describes the keys, the current one first. It returns nil after Close.
func (k *SealKeys) Infos() []SealKeyInfo {
	if k == nil {
		return nil
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	var infos []SealKeyInfo
	for i := range k.keys {
		use := "old"
		if i == 0 {
			use = "current"
		}
		infos = append(infos,
			SealKeyInfo{ID: hex.EncodeToString(k.keys[i].id[:]), Use: use, Since: k.keys[i].since})
	}
	return infos
}

// SealStats count what SealKeys have done since they were made.
type SealStats struct {
	Sealed        uint64 // with the current key
	Opened        uint64 // with the current key
	OpenedWithOld uint64 // with an old key
	UnknownKey    uint64 // not opened: sealed with a key that is not here
	Damaged       uint64 // not opened: changed, cut short, for another purpose, or never sealed
}

type sealCounters struct{ sealed, current, old, unknown, damaged atomic.Uint64 }

// Stats reads the counters one after the other. They remain after Close.
func (k *SealKeys) Stats() SealStats {
	if k == nil {
		return SealStats{}
	}
	c := &k.stats
	return SealStats{
		Sealed: c.sealed.Load(), Opened: c.current.Load(), OpenedWithOld: c.old.Load(),
		UnknownKey: c.unknown.Load(), Damaged: c.damaged.Load(),
	}
}
