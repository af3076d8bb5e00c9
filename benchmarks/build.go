package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// An openssl is one version of OpenSSL, with the contenders that are built for it.
type openssl struct {
	suite, version string
	env            []string
	contenders     []*contender
}

// A contender is a program with the flags that distinguish it from others of the same program.
type contender struct {
	name, path string
	args, env  []string
	why        string // not empty: it does not build
}

// The names of the contenders, in the order of the tables' columns.
const (
	plainC  = "C plain"
	tunedC  = "C tuned"
	goTLS   = "crypto/tls"
	socket  = "ssl"
	netConn = "ssl, net.Conn"
	least   = "least binding"
	libp2p  = "libp2p"
)

var names = []string{plainC, tunedC, goTLS, socket, netConn, least, libp2p}

// build compiles all contenders into dir; suite "" is the machine's own OpenSSL.
func build(suite, dir string) (*openssl, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	o := &openssl{suite: suite, env: append(os.Environ(), "GOWORK=off")}
	if suite != "" {
		text, err := exec.Command("../scripts/matrix/with", suite, "env", "-0").Output()
		if err != nil {
			return nil, withStderr(err)
		}
		o.env = append(strings.Split(strings.TrimRight(string(text), "\x00"), "\x00"), "GOWORK=off")
	}
	version, err := o.output("pkg-config", "--modversion", "libssl")
	if err != nil {
		return nil, err
	}
	o.version = strings.TrimSpace(version)
	if err := o.buildC(filepath.Join(dir, "c")); err != nil {
		return nil, err
	}
	for _, name := range []string{"tls", "ssl", "least"} {
		if _, err := o.output("go", "build", "-o", filepath.Join(dir, name), "./contender/"+name); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"c", "ssl", "least"} {
		if err := o.linked(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	o.contenders = []*contender{
		{name: plainC, path: at("c"), args: []string{"-tuned", "false"}},
		{name: tunedC, path: at("c"), args: []string{"-tuned", "true"}},
		{name: goTLS, path: at("tls")},
		{name: socket, path: at("ssl"), args: []string{"-transport", "socket"}},
		{name: netConn, path: at("ssl"), args: []string{"-transport", "conn"}},
		{name: least, path: at("least")},
		o.buildLibp2p(dir),
	}
	return o, nil
}

// libp2pConf has what the binding has no functions for.
const libp2pConf = `openssl_conf = all
[all]
ssl_conf = modules
[modules]
system_default = tls
[tls]
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519:P-256
NumTickets = 1
`

// buildLibp2p builds a contender that needs not build with each OpenSSL.
func (o *openssl) buildLibp2p(dir string) *contender {
	conf := filepath.Join(dir, "libp2p.cnf")
	c := &contender{name: libp2p, path: filepath.Join(dir, "libp2p"),
		env: []string{"GODEBUG=cgocheck=0", "OPENSSL_CONF=" + conf}}
	err := os.WriteFile(conf, []byte(libp2pConf), 0o644)
	if err == nil {
		_, err = o.output("go", "build", "-tags", "libp2p", "-o", c.path, "./contender/libp2p")
	}
	if err != nil {
		c.why = err.Error()
	}
	return c
}

func (o *openssl) buildC(path string) error {
	sources, err := filepath.Glob("contender/c/*.c")
	if err != nil {
		return err
	}
	flags, err := o.output("pkg-config", "--cflags", "libssl", "libcrypto")
	if err != nil {
		return err
	}
	libs, err := o.output("pkg-config", "--libs", "libssl", "libcrypto")
	if err != nil {
		return err
	}
	args := append([]string{"-std=gnu11", "-O2", "-pthread", "-o", path}, sources...)
	if o.suite != "" { // as cgo compiles for it
		args = append(append(strings.Fields(o.get("CGO_CFLAGS")), args...), strings.Fields(o.get("CGO_LDFLAGS"))...)
	}
	args = append(append(args, strings.Fields(flags)...), strings.Fields(libs)...)
	_, err = o.output("gcc", args...)
	return err
}

// linked runs a contender of a suite by the program that refuses one that has another OpenSSL.
func (o *openssl) linked(path string) error {
	if o.suite == "" {
		return nil
	}
	_, err := o.output(o.get("SESSL_EXEC"), path, "-form", "full", "-n", "1", "-certs", certs)
	return err
}

func (o *openssl) get(name string) (value string) {
	for _, v := range o.env {
		if rest, ok := strings.CutPrefix(v, name+"="); ok {
			value = rest // the last one counts
		}
	}
	return value
}

func (o *openssl) output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = o.env
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), withStderr(err))
	}
	return string(out), nil
}

// withStderr adds what a program has said: the first error of a compiler, or the last line.
func withStderr(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	for line := range bytes.Lines(exit.Stderr) {
		if bytes.Contains(line, []byte("error: ")) {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(line))
		}
	}
	return fmt.Errorf("%w: %s", err, lastLine(exit.Stderr))
}

func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}

// find returns a contender, or nil.
func (o *openssl) find(name string) *contender {
	for _, c := range o.contenders {
		if c.name == name {
			return c
		}
	}
	return nil
}
