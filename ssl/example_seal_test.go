package ssl_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"sessl/ssl"
)

// Keys of servers and caches that are at work are replaced in three steps, each on every machine.
func ExampleSealKeys_SetKeys() {
	before, next := make([]byte, ssl.SealKeyLen), make([]byte, ssl.SealKeyLen)
	rand.Read(before)
	rand.Read(next)
	keys, err := ssl.NewSealKeys(before)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	sealed, err := keys.Seal([]byte("a note"), "notes of this service")
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range [][][]byte{{before, next}, {next, before}, {next}} {
		if err := keys.SetKeys(step[0], step[1:]...); err != nil {
			log.Fatal(err)
		}
		_, err := keys.Open(sealed, "notes of this service")
		fmt.Println(len(keys.Infos()), "keys:", err)
	}
	// Output:
	// 2 keys: <nil>
	// 2 keys: <nil>
	// 1 keys: ssl: SealKeys.Open: sealed bytes cannot be opened
}

// A key in a file, which Reload reads again when it has been replaced.
func ExampleLoadSealKeys() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	key := make([]byte, ssl.SealKeyLen)
	rand.Read(key)
	file := filepath.Join(dir, "seal.key")
	if err := os.WriteFile(file, []byte(hex.EncodeToString(key)), 0o600); err != nil {
		log.Fatal(err)
	}
	keys, err := ssl.LoadSealKeys(file)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	for _, k := range keys.Infos() {
		fmt.Println(k.Use, len(k.ID))
	}
	fmt.Println(keys.Reload())
	// Output:
	// current 8
	// <nil>
}
