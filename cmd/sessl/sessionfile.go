package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"sessl/ssl"
)

// pemType is the type of OpenSSL's PEM blocks with a session.
const pemType = "SSL SESSION PARAMETERS"

// readSession reads a session in PEM or DER from a file, or from in if the name is "-".
// The caller closes it.
func readSession(name string, in io.Reader) (*ssl.Session, error) {
	data, err := readBounded(name, in)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	s, err := parseSession(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, bare(err))
	}
	return s, nil
}

// readBounded reads no more than the longest session.
func readBounded(name string, in io.Reader) ([]byte, error) {
	if name == "-" {
		name = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, ssl.MaxEncodedSession+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) == 0:
		return nil, fmt.Errorf("%s: the file is empty", name)
	case len(data) > ssl.MaxEncodedSession:
		return nil, fmt.Errorf("%s: too large for a session", name)
	}
	return data, nil
}

func parseSession(data []byte) (*ssl.Session, error) {
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		s, err := ssl.ParseSession(data)
		if err != nil {
			return nil, fmt.Errorf("neither a session in PEM nor one in DER: %w", bare(err))
		}
		return s, nil
	}
	s, err := ssl.ParseSessionPEM(data)
	if err == nil {
		return s, nil
	}
	if block, _ := pem.Decode(data); block != nil && block.Type != pemType {
		return nil, fmt.Errorf("not a session: the PEM block is a %q", block.Type)
	}
	return nil, err
}

// writeSession writes a session in PEM with replaceSecret, because it holds the master secret.
func writeSession(name string, s *ssl.Session) error {
	text, err := s.MarshalPEM()
	if err != nil {
		return err
	}
	defer clear(text)
	return replaceSecret(name, text)
}
