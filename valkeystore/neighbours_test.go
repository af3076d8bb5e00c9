package valkeystore

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
	"sessl/valkeystore/internal/schedule"
)

// Options about neighbours that cannot work are refused with their names.
func TestOpenRefusesNeighbours(t *testing.T) {
	leakcheck.Test(t)
	three := [3]string{"a", "b", "c"}
	file := func(f KeyFiles) func(*Options) { return func(o *Options) { o.KeyFiles = f } }
	socket := func(socket, keys string) func(*Options) {
		return func(o *Options) { o.HAProxySocket, o.HAProxyKeys = socket, keys }
	}
	for text, change := range map[string]func(*Options){
		"Nginx needs three files":           file(KeyFiles{Nginx: [3]string{"a"}}),
		"KeyFiles has a file twice":         file(KeyFiles{Nginx: [3]string{"a", "b", "a"}}),
		"KeyFiles has a file twice ":        file(KeyFiles{Nginx: three, HAProxy: "b"}),
		"KeyFiles.Command is there":         file(KeyFiles{Command: []string{"true"}}),
		"KeyFiles.Command names no program": file(KeyFiles{HAProxy: "a", Command: []string{""}}),
		"KeyFiles.Timeout is 1ms":           file(KeyFiles{HAProxy: "a", Timeout: time.Millisecond}),
		"HAProxySocket needs HAProxyKeys":   socket("/run/haproxy", ""),
		"HAProxyKeys has a blank":           socket("/run/haproxy", "a;b"),
		"HAProxySocket is neither":          socket("haproxy", "#0"),
		"HAProxySocket is not an address":   socket("192.0.2.1:999", "#0"),
		"HAProxySocket is not an address ":  socket("localhost:999", "#0"),
	} {
		o := &Options{SealKeys: sealKeys(t, 1)}
		change(o)
		c, err := Open("valkey://127.0.0.1:1/shop", o)
		if c != nil || !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(), strings.TrimSpace(text)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// When no key encrypts any more, the files stay as they are, and Stats and the log say so. Close leaves them.
func TestNeighboursWithoutDatabase(t *testing.T) {
	leakcheck.Test(t)
	db, log := dbtest.Start(t), &record{}
	name := filepath.Join(t.TempDir(), "keys")
	vk := opened(t, db.Addr, quick, func(o *Options) {
		o.KeyFiles.HAProxy, o.Logger = name, log.logger()
	})
	await(t, "a file", func() bool { return vk.Stats().Neighbours.Files.Done > 0 })
	db.Kill()
	await(t, "no key", func() bool { return vk.Stats().Neighbours.Kept })
	says := "neighbours=\"keep the last keys\""
	await(t, "the log", func() bool { return strings.Contains(log.String(), says) })
	if s := vk.Stats().Neighbours.Files; s.Failures != 0 || s.Behind != 0 {
		t.Errorf("%+v", s)
	}
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	vk.Close(t.Context())
	if after, err := os.ReadFile(name); err != nil || string(before) != string(after) {
		t.Error("the file has changed: ", err)
	}
}

// A HAProxy that is started again, with the file of before, gets the keys without a turn of them.
func TestHAProxyRestarted(t *testing.T) {
	db, file := dbtest.Start(t), filepath.Join(t.TempDir(), "keys")
	text := ""
	for i := range 3 {
		text += base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(i + 1)}, schedule.SecretLen)) + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	web := dbtest.NewHAProxy(t, ssltest.CertFile("server-ecdsa"), file)
	web.Start()
	vk := opened(t, db.Addr, func(o *Options) {
		o.Poll, o.HAProxySocket, o.HAProxyKeys = 50*time.Millisecond, web.Socket, file
	})
	sent := func(n uint64) func() bool { return func() bool { return vk.Stats().Neighbours.Socket.Done == n } }
	await(t, "the keys", sent(3))
	web.End()
	web.Start()
	await(t, "the keys, again", sent(6))
}
