package recipes

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"sessl/ssl"
)

// once makes a single connection, as a program does that ends after it. The sessions of client stay in a file
// until the next run.
func once(client *ssl.Ctx, addr, file string, keys *ssl.SealKeys, talk func(*ssl.Conn) error) (err error) {
	cache := ssl.NewClientSessionCache(0)
	defer cache.Close()
	if _, err := cache.Load(file, keys); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Print(err) // a full handshake then; Save replaces the file
	}
	defer func() { err = errors.Join(err, cache.Save(file, keys)) }() // after conn.Close, or if Dial fails
	d := &ssl.Dialer{Ctx: client, Sessions: cache}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	return talk(conn)
}

// sealKeysOf returns the key in file, which the first run makes.
func sealKeysOf(file string) (*ssl.SealKeys, error) {
	keys, err := ssl.LoadSealKeys(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // for the owner only
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	key := make([]byte, ssl.SealKeyLen)
	rand.Read(key)
	_, err = f.Write(key)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) { // another run was first
		return nil, err
	}
	return ssl.LoadSealKeys(file)
}
