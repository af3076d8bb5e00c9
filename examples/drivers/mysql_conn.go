package drivers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"sessl/ssl"
)

// TLS begins in the middle of the conversation that MySQL and MariaDB have at first: the server's greeting,
// the client's SSLRequest, the handshake, the client's response. A driver without TLS leaves two of the
// four out, and numbers its packets accordingly. mysqlConn puts them in, and corrects the numbers until the
// server has accepted or refused the user.
type mysqlConn struct {
	begin func(raw net.Conn) (*ssl.Conn, error) // does the handshake

	phase mysqlPhase   // of the driver's goroutine
	read  bytes.Buffer // what the driver has not taken

	mu   sync.Mutex // guards the field conn: Close comes from another goroutine
	conn net.Conn   // raw, and from the handshake on encrypted
}

type mysqlPhase int

const (
	mysqlGreeted mysqlPhase = iota // the driver owes its response
	mysqlAuthenticating
	mysqlOpen // nothing is changed any more
)

const (
	mysqlHeader      = 4   // length and number of a packet
	mysqlClientSSL   = 0x8 // CLIENT_SSL, in the second byte of the capabilities
	mysqlRequest     = 32  // bytes of an SSLRequest, with which a response begins, too
	mysqlMaxGreeting = 64 << 10
)

// dialMySQL connects, and reads the greeting, which must offer TLS. The handshake follows the driver's
// first Write; ctx must not end before.
func dialMySQL(ctx context.Context, d *ssl.Dialer, addr string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	c := &mysqlConn{conn: raw, begin: func(raw net.Conn) (*ssl.Conn, error) {
		return d.Client(ctx, raw, "tcp", addr)
	}}
	greeting, err := readPacket(raw, mysqlMaxGreeting)
	if err == nil {
		err = offersTLS(greeting[mysqlHeader:])
	}
	if err != nil {
		raw.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	c.read.Write(greeting)
	return c, nil
}

// readPacket reads one, with its header, and nothing behind it.
func readPacket(r io.Reader, limit int) ([]byte, error) {
	packet := make([]byte, mysqlHeader)
	if _, err := io.ReadFull(r, packet); err != nil {
		return nil, err
	}
	n := int(packet[0]) | int(packet[1])<<8 | int(packet[2])<<16
	if n > limit {
		return nil, fmt.Errorf("mysql: a packet of %d bytes before the login", n)
	}
	packet = append(packet, make([]byte, n)...)
	_, err := io.ReadFull(r, packet[mysqlHeader:])
	return packet, err
}

// offersTLS reads the capabilities in a greeting of protocol 10: they follow the server's version, four
// bytes of the connection's number, eight of the salt, and one that is zero.
func offersTLS(greeting []byte) error {
	end := bytes.IndexByte(greeting, 0)
	if end < 1 || greeting[0] != 10 || len(greeting) < end+1+4+8+1+2 {
		return errors.New("mysql: not a greeting")
	}
	if greeting[end+1+4+8+1+1]&mysqlClientSSL == 0 {
		return errors.New("mysql: the server does not offer TLS")
	}
	return nil
}

func (c *mysqlConn) Read(b []byte) (int, error) {
	if c.read.Len() == 0 && c.phase == mysqlAuthenticating {
		packet, err := readPacket(c.current(), 1<<24)
		if err != nil {
			return 0, err
		}
		packet[3]--
		if len(packet) > mysqlHeader && (packet[mysqlHeader] == 0 || packet[mysqlHeader] == 0xff) {
			c.phase = mysqlOpen // OK, or an error: the next number is 0 on both sides
		}
		c.read.Write(packet)
	}
	if c.read.Len() > 0 {
		return c.read.Read(b)
	}
	return c.current().Read(b)
}

// Write gets one packet at a time before the connection is open.
func (c *mysqlConn) Write(b []byte) (int, error) {
	if c.phase == mysqlOpen {
		return c.current().Write(b)
	}
	packet := bytes.Clone(b)
	if c.phase == mysqlGreeted {
		if len(packet) < mysqlHeader+mysqlRequest {
			return 0, errors.New("mysql: not a response to a greeting")
		}
		packet[mysqlHeader+1] |= mysqlClientSSL
		if err := c.encrypt(packet[mysqlHeader : mysqlHeader+mysqlRequest]); err != nil {
			return 0, err
		}
		c.phase = mysqlAuthenticating
	}
	packet[3]++
	return c.current().Write(packet)
}

// encrypt sends an SSLRequest, and does the handshake.
func (c *mysqlConn) encrypt(request []byte) error {
	raw := c.current()
	header := binary.LittleEndian.AppendUint32(nil, mysqlRequest|1<<24) // its number is 1
	if _, err := raw.Write(append(header, request...)); err != nil {
		return err
	}
	conn, err := c.begin(raw) // which closes raw, as Close does meanwhile
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	return nil
}
