package httpssl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// The bytes of SOCKS5 (RFC 1928, RFC 1929).
const (
	socksVersion     = 5
	socksNoAuth      = 0
	socksPassword    = 2
	socksPasswordV   = 1
	socksConnect     = 1
	socksIPv4        = 1
	socksName        = 3
	socksIPv6        = 4
	socksFieldLength = 255
)

// socksReplies are the reasons of RFC 1928, section 6, by number.
var socksReplies = []string{"succeeded", "general SOCKS server failure", "connection not allowed by ruleset",
	"network unreachable", "host unreachable", "connection refused", "TTL expired", "command not supported",
	"address type not supported"}

// askSOCKS asks a SOCKS5 proxy for a connection to the server. The proxy looks up the name,
// whether its URL says socks5 or socks5h, as in net/http.
func askSOCKS(conn net.Conn, rt *route) error {
	err := socksGreet(conn, rt.proxy.User)
	if err == nil {
		err = socksAsk(conn, rt.target)
	}
	if err != nil {
		return &net.OpError{Op: "socks connect", Net: "tcp",
			Source: socksAddr(rt.addr), Addr: socksAddr(rt.target), Err: err}
	}
	return nil
}

// socksAddr is the address of a proxy or server in an error.
type socksAddr string

func (socksAddr) Network() string  { return "socks" }
func (a socksAddr) String() string { return string(a) }

// socksGreet agrees on a method of authentication, and carries it out.
func socksGreet(conn net.Conn, user *url.Userinfo) error {
	methods := []byte{socksNoAuth}
	if user != nil {
		methods = append(methods, socksPassword)
	}
	b := append([]byte{socksVersion, byte(len(methods))}, methods...)
	if _, err := conn.Write(b); err != nil {
		return err
	}
	b = b[:2]
	if _, err := io.ReadFull(conn, b); err != nil {
		return err
	}
	switch {
	case b[0] != socksVersion:
		return fmt.Errorf("unexpected protocol version %d", b[0])
	case b[1] == socksNoAuth:
		return nil
	case b[1] != socksPassword || user == nil:
		return errors.New("no acceptable authentication methods")
	}
	name := user.Username()
	password, _ := user.Password()
	if name == "" || len(name) > socksFieldLength || len(password) > socksFieldLength {
		return errors.New("invalid username/password")
	}
	b = append([]byte{socksPasswordV, byte(len(name))}, name...)
	b = append(append(b, byte(len(password))), password...)
	if _, err := conn.Write(b); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, b[:2]); err != nil {
		return err
	}
	if b[0] != socksPasswordV || b[1] != 0 {
		return errors.New("username/password authentication failed")
	}
	return nil
}

// socksAsk asks for a connection to target, and reads the answer to its last byte.
func socksAsk(conn net.Conn, target string) error {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return err
	}
	b := []byte{socksVersion, socksConnect, 0}
	if ip, err := netip.ParseAddr(host); err != nil {
		if len(host) > socksFieldLength {
			return errors.New("FQDN too long")
		}
		b = append(append(b, socksName, byte(len(host))), host...)
	} else if ip = ip.Unmap().WithZone(""); ip.Is4() {
		b = append(append(b, socksIPv4), ip.AsSlice()...)
	} else {
		b = append(append(b, socksIPv6), ip.AsSlice()...)
	}
	if _, err := conn.Write(binary.BigEndian.AppendUint16(b, uint16(n))); err != nil {
		return err
	}
	var head [5]byte // and the first byte of the address that the proxy connects from
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	if head[0] != socksVersion {
		return fmt.Errorf("unexpected protocol version %d", head[0])
	}
	if reply := head[1]; int(reply) >= len(socksReplies) {
		return fmt.Errorf("reply %d", reply)
	} else if reply != 0 {
		return errors.New(socksReplies[reply])
	}
	rest := map[byte]int{socksIPv4: 4, socksIPv6: 16, socksName: int(head[4]) + 1}[head[3]]
	if rest == 0 {
		return fmt.Errorf("unknown address type %d", head[3])
	}
	_, err = io.CopyN(io.Discard, conn, int64(rest-1+2))
	return err
}
