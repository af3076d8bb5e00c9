package ssl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"sessl/internal/clock"
)

// maxCacheFile bounds what Load reads: it is enough for 10,000 sessions of the usual size.
const maxCacheFile = 64 << 20

const sealedCache = "client sessions"

var errNoFile = errors.New("not a file")

// Save writes the cache's sessions to a file, for Load in a later process, so that programs
// that live for one request can resume too. The file is encrypted with keys, replaced as a
// whole and has mode 0600. Expired sessions are left out. The cache keeps its sessions. If it
// offers a TLS 1.3 session after a Save, two processes may show the same ticket: so Save last.
//
// Sessions of Ctxs with GetClientCertificate are written, but never offered in another
// process, because nothing shows that the function there stands for the same client.
func (c *LRUClientSessionCache) Save(name string, keys *SealKeys) error {
	const op = "LRUClientSessionCache.Save"
	if err := c.forFiles(op, keys); err != nil {
		return err
	}
	plain, err := c.packed()
	if err != nil {
		return err
	}
	defer clear(plain)
	sealed, err := keys.seal(plain, sealedCache)
	if err != nil {
		return fail(op, err)
	}
	if len(sealed) > maxCacheFile {
		return fail(op, fmt.Errorf("%s: %w", name, ErrTooLarge))
	}
	if err := replaceFile(name, sealed); err != nil {
		return fail(op, err)
	}
	return nil
}

// Load takes the sessions out of a file that Save has written, and returns how many it
// took, expired ones not counted. It removes the file, so that no other process offers
// the same sessions: call Save however the program ends, also after a failed Dial, or they are lost.
// If the file does not exist, the error is os.ErrNotExist. If keys do not open the file, the
// error is ErrSealed or ErrMalformed and names it, and the file stays for the next Save to replace.
func (c *LRUClientSessionCache) Load(name string, keys *SealKeys) (n int, err error) {
	const op = "LRUClientSessionCache.Load"
	if err := c.forFiles(op, keys); err != nil {
		return 0, err
	}
	name = target(name)
	sealed, taken, err := takeFile(name)
	if err != nil {
		return 0, fail(op, err)
	}
	if n, err = c.unpack(sealed, keys); err != nil {
		return 0, fail(op, errors.Join(fmt.Errorf("%s: %w", name, causeOf(err)), putBack(taken, name)))
	}
	os.Remove(taken)
	return n, nil
}

// takeFile reads a file and renames it to taken, so that no other process can take it as well.
func takeFile(name string) (content []byte, taken string, err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for its writer
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	was, err := f.Stat()
	if err == nil && !was.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errNoFile}
	}
	if err != nil {
		return nil, "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxCacheFile+1))
	if err != nil {
		return nil, "", err
	}
	if len(b) > maxCacheFile {
		return nil, "", fmt.Errorf("%s: %w", name, ErrTooLarge)
	}
	taken = fmt.Sprintf("%s.%d-%d", name, os.Getpid(), clock.Now().UnixNano())
	if err := os.Rename(name, taken); err != nil {
		return nil, "", err
	}
	if now, err := os.Stat(taken); err != nil || !os.SameFile(was, now) {
		return nil, "", errors.Join(fs.ErrNotExist, putBack(taken, name)) // the file that was read is taken
	}
	return b, taken, nil
}

// putBack gives taken its old name back, unless a newer file has that name by now.
func putBack(taken, name string) error {
	if err := os.Link(taken, name); err != nil && !errors.Is(err, fs.ErrExist) {
		return os.Rename(taken, name) // where links are not allowed
	}
	return os.Remove(taken)
}

// target is the file that name leads to through links. It is the one to take or
// replace: otherwise other processes could still find it by its own name.
func target(name string) string {
	if to, err := filepath.EvalSymlinks(name); err == nil {
		return to
	}
	return name
}

// replaceFile leaves either the old file or the whole new one, never a part.
func replaceFile(name string, data []byte) (err error) {
	name = target(name)
	if was, err := os.Stat(name); err == nil && !was.Mode().IsRegular() {
		return &fs.PathError{Op: "replace", Path: name, Err: errNoFile}
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// packed is all that is in the cache; the caller wipes it. Each session is written as
// its key and its Session.packed.
func (c *LRUClientSessionCache) packed() (out []byte, err error) {
	var parts [][]byte
	total := 0
	for i := range c.shards {
		for _, e := range c.shards[i].copies() {
			b, e := e.packed() // closes its copies, also after an error
			err = firstError(err, e)
			parts = append(parts, b...)
		}
	}
	for _, p := range parts {
		total += len(p)
	}
	out = make([]byte, 0, total) // never grown: that would leave a copy
	for _, p := range parts {
		out = append(out, p...)
		clear(p)
	}
	if err != nil {
		clear(out)
		return nil, err
	}
	return out, nil
}

// copies returns entries with handles of their own, least recently used first.
func (sh *clientShard) copies() (out []*clientEntry) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for el := sh.used.Back(); el != nil; el = el.Prev() {
		e := el.Value.(*clientEntry)
		c := &clientEntry{key: e.key}
		for _, s := range e.sessions {
			if own, err := s.s.UpRef(); err == nil && clock.Now().Before(s.until) {
				c.sessions = append(c.sessions, cachedSession{s: own})
			} else {
				own.Close()
			}
		}
		out = append(out, c)
	}
	return out
}

// packed closes the entry's sessions.
func (e *clientEntry) packed() (parts [][]byte, err error) {
	defer closeAll(e.sessions)
	for _, s := range e.sessions {
		b, err := s.s.packed()
		if err != nil {
			return nil, err
		}
		var head []byte
		for _, field := range []string{e.key.Addr, e.key.ServerName, e.key.NextProtos, string(e.key.Config[:])} {
			head = append(binary.BigEndian.AppendUint32(head, uint32(len(field))), field...)
		}
		head = binary.BigEndian.AppendUint32(head, uint32(len(b)))
		parts = append(parts, head, b)
	}
	return parts, nil
}

// unpack puts the sessions of a sealed packed, all of them or none. After an error the
// file stays, and another process will show its tickets, so this one must not.
func (c *LRUClientSessionCache) unpack(sealed []byte, keys *SealKeys) (n int, err error) {
	const op = "LRUClientSessionCache.Load"
	plain, err := keys.open(sealed, sealedCache)
	if err != nil {
		return 0, err
	}
	defer clear(plain)
	type loaded struct {
		key SessionKey
		s   *Session
	}
	var all []loaded
	for r := reader(plain); len(r) > 0; {
		var fields [4]string
		for i := range fields {
			fields[i] = string(r.take(r.number(4)))
		}
		key := SessionKey{Addr: fields[0], ServerName: fields[1], NextProtos: fields[2]}
		copy(key.Config[:], fields[3])
		s, err := unpack(op, r.take(r.number(4)))
		if err != nil {
			for _, l := range all {
				l.s.Close()
			}
			return 0, err
		}
		all = append(all, loaded{key, s})
	}
	for _, l := range all {
		if c.put(l.key, l.s) {
			n++
		}
	}
	return n, nil
}
