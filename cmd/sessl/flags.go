package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

// tlsVersion is the value of --tls: one version, or 0 for any.
type tlsVersion uint16

var tlsVersions = []string{"1.2", "1.3"}

func (v *tlsVersion) String() string {
	if *v == 0 {
		return ""
	}
	return strings.TrimPrefix(ssl.VersionName(uint16(*v)), "TLS ")
}

func (v *tlsVersion) Set(s string) error {
	switch s {
	case "1.2":
		*v = ssl.VersionTLS12
	case "1.3":
		*v = ssl.VersionTLS13
	default:
		return errors.New("only 1.2 and 1.3 are possible")
	}
	return nil
}

func (v *tlsVersion) Type() string { return "version" }

// limit restricts cfg to the version.
func (v tlsVersion) limit(cfg *ssl.Config) {
	cfg.MinVersion, cfg.MaxVersion = uint16(v), uint16(v)
}

// tlsFlag adds --tls to a command.
func tlsFlag(cmd *cobra.Command, v *tlsVersion) {
	cmd.Flags().Var(v, "tls", "only this `version`: 1.2 or 1.3")
	must(cmd.RegisterFlagCompletionFunc("tls",
		cobra.FixedCompletions(tlsVersions, cobra.ShellCompDirectiveNoFileComp)))
}

// fileFlag adds a flag whose value is the name of a file.
func fileFlag(cmd *cobra.Command, v *string, name, usage string) {
	cmd.Flags().StringVar(v, name, "", usage)
	must(cmd.MarkFlagFilename(name))
}

// valueFlags marks flags whose values the shell cannot complete.
func valueFlags(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		must(cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions))
	}
}

// must is for errors that only a mistake in this program can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// keyPair loads a certificate and its key. Its errors name the two files.
func keyPair(cert, key string) (ssl.Certificate, error) {
	c, err := ssl.LoadX509KeyPair(cert, key)
	return c, bare(err)
}

// loadPool reads trusted roots from a file.
func loadPool(name string) (*ssl.CertPool, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool := ssl.NewCertPool()
	if pool.AppendCerts(data) != nil {
		return nil, fmt.Errorf("%s: no certificates in it, in PEM or DER", name)
	}
	return pool, nil
}

// A bareError is an error of package ssl without the Go names, which mean nothing to users.
type bareError struct{ err *ssl.Error }

func (e bareError) Error() string {
	return strings.TrimPrefix(strings.TrimPrefix(e.err.Error(), "ssl: "), e.err.Op+": ")
}

func (e bareError) Unwrap() error { return e.err }

// bare makes a bareError of err if it is an error of package ssl.
func bare(err error) error {
	if e, ok := err.(*ssl.Error); ok {
		return bareError{e}
	}
	return err
}
