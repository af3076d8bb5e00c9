package valkeystore

import (
	"net"
	"net/netip"
	"strings"
	"time"
)

// KeyFiles say where the ticket keys of the fleet are written for servers that are no part of this process,
// so that these resume its sessions, and it theirs; docs/fleet.md says what else they must have in common.
// Each set replaces the one before, file by file and each as a whole; only their owner can read the files.
//
// The files have the key that encrypts now, the one after it, and the one before it. Where there is no such
// key, the current one stands in its place. HAProxy encrypts with the one after it, as soon as that was in
// the schedule for RotateEvery: it renews tickets of other keys alone. When no key encrypts, the files stay
// as they are. Close leaves them.
type KeyFiles struct {
	// HAProxy is the file that a HAProxy names as tls-ticket-keys.
	HAProxy string

	// Nginx are the files that an nginx names as ssl_session_ticket_key, in this order: the current key, the
	// next one, the old one. There are three or none.
	Nginx [3]string

	// Command, if there is one, is run after a set is written, such as nginx -s reload: a program and its
	// arguments, without a shell, input or output. If it fails, it is run again after a while; nothing else
	// depends on it.
	Command []string

	// Timeout is after what time the Command is killed, with all of its process group; 0 means 10 s. From
	// 10 ms to an hour.
	Timeout time.Duration
}

func (f *KeyFiles) written() bool { return f.HAProxy != "" || f.Nginx != [3]string{} }

func (c *Options) completeNeighbours() error {
	f := &c.KeyFiles
	seen := map[string]bool{"": true}
	for _, name := range append(f.Nginx[:], f.HAProxy) {
		if name != "" && seen[name] {
			return configError("Options.KeyFiles has a file twice")
		}
		seen[name] = true
	}
	some := f.Nginx != [3]string{}
	switch {
	case some && (f.Nginx[0] == "" || f.Nginx[1] == "" || f.Nginx[2] == ""):
		return configError("Options.KeyFiles.Nginx needs three files")
	case len(f.Command) > 0 && !f.written():
		return configError("Options.KeyFiles.Command is there, and no file")
	case len(f.Command) > 0 && f.Command[0] == "":
		return configError("Options.KeyFiles.Command names no program")
	}
	if err := span("KeyFiles.Timeout", &f.Timeout, 10*time.Second, minTimeout, time.Hour); err != nil {
		return err
	}
	return c.completeSocket()
}

func (c *Options) completeSocket() error {
	if c.HAProxyKeys == "" {
		c.HAProxyKeys = c.KeyFiles.HAProxy
	}
	switch {
	case c.HAProxySocket == "":
		return nil
	case c.HAProxyKeys == "":
		return configError("Options.HAProxySocket needs HAProxyKeys or KeyFiles.HAProxy")
	case strings.ContainsAny(c.HAProxyKeys, " \t\r\n;\\\"'"):
		return configError("Options.HAProxyKeys has a blank, a quote, a backslash or a semicolon")
	case socketNetwork(c.HAProxySocket) == "unix":
		return nil
	}
	host, port, err := net.SplitHostPort(c.HAProxySocket)
	if err != nil || port == "" {
		return configError("Options.HAProxySocket is neither a path nor of the form host:port")
	}
	if addr, err := netip.ParseAddr(host); err != nil || !addr.IsLoopback() {
		return configError("Options.HAProxySocket is not an address of loopback: keys are sent in the clear")
	}
	return nil
}

// socketNetwork is unix for a path, which has a slash.
func socketNetwork(addr string) string {
	if strings.Contains(addr, "/") {
		return "unix"
	}
	return "tcp"
}
