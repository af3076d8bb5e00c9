package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

// maxKeyFile is far more than any key needs.
const maxKeyFile = 4096

// pskFlag adds --psk. The key itself is never on the command line, where other users can read
// it.
func pskFlag(cmd *cobra.Command, v *[]string, usage string) {
	cmd.Flags().StringArrayVar(v, "psk", nil, usage)
	valueFlags(cmd, "psk")
}

// loadPSKs reads the keys of --psk. An identity may contain a colon, a file name may not.
func loadPSKs(specs []string) (keys []ssl.PSK, err error) {
	for _, spec := range specs {
		i := strings.LastIndexByte(spec, ':')
		if i <= 0 || i == len(spec)-1 {
			return nil, usagef("--psk %q is not IDENTITY:FILE", spec)
		}
		k, err := loadPSK(spec[:i], spec[i+1:])
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func loadPSK(identity, file string) (ssl.PSK, error) {
	f, err := os.Open(file)
	if err != nil {
		return ssl.PSK{}, err
	}
	defer f.Close()
	buf := make([]byte, maxKeyFile)
	defer clear(buf)
	n, err := io.ReadFull(f, buf)
	switch {
	case err == nil:
		return ssl.PSK{}, fmt.Errorf("%s: too long for a key", file)
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return ssl.PSK{}, err
	}
	text := bytes.TrimSpace(buf[:n])
	n, err = hex.Decode(text, text)
	if err != nil || n == 0 { // the error of hex would contain a byte of the key
		return ssl.PSK{}, fmt.Errorf("%s: not a key in hexadecimal", file)
	}
	k, err := ssl.NewPSK(identity, text[:n], 0)
	var e *ssl.Error
	if errors.As(err, &e) {
		return k, fmt.Errorf("%s: %w", file, bare(err))
	}
	return k, err
}
