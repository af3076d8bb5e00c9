package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceSecret writes a file that only its owner can read. An existing file is replaced as a
// whole or not at all.
func replaceSecret(name string, data []byte) error {
	if st, err := os.Stat(name); err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".sessl-*") // with mode 0600
	if err != nil {
		return err
	}
	err = fill(f, data)
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// createSecret is replaceSecret for a file that must not exist yet.
func createSecret(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there already", name)
	case err != nil:
		return err
	}
	if err = fill(f, data); err != nil {
		os.Remove(name)
	}
	return err
}

func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// secretWriter touches no existing file, unless the user says so.
func secretWriter(overwrite bool) func(name string, data []byte) error {
	if overwrite {
		return replaceSecret
	}
	return createSecret
}
