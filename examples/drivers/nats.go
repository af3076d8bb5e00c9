package drivers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/nats-io/nats.go"

	"sessl/ssl"
)

// connectNATS connects to a server of NATS, also to one that says INFO in the clear.
func connectNATS(client *ssl.Ctx, url string) (*nats.Conn, error) {
	d := natsDialer{&ssl.Dialer{Ctx: client}}
	return nats.Connect(url, nats.SetCustomDialer(d), nats.SkipHostLookup()) // else it dials addresses
}

// natsDialer reads the INFO with which a server begins, does the handshake that comes next, and hands the
// INFO on.
type natsDialer struct{ ssl *ssl.Dialer }

// SkipTLSHandshake says that connections of Dial are encrypted.
func (natsDialer) SkipTLSHandshake() bool { return true }

// Dial is the method of nats.CustomDialer.
func (d natsDialer) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	raw.SetDeadline(deadline)
	info, err := readInfo(raw)
	if err != nil {
		raw.Close()
		return nil, err
	}
	raw.SetDeadline(time.Time{})
	conn, err := d.ssl.Client(ctx, raw, network, addr)
	if err != nil {
		return nil, err
	}
	return natsConn{conn, io.MultiReader(bytes.NewReader(info), conn)}, nil
}

// readInfo reads a line, and nothing behind it: what anyone on the way had added would be the first
// bytes of the handshake, which fails.
func readInfo(r io.Reader) (line []byte, err error) {
	b := make([]byte, 1)
	for len(line) < 64<<10 {
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		if line = append(line, b[0]); b[0] == '\n' {
			if !bytes.HasPrefix(line, []byte("INFO ")) {
				return nil, errors.New("not a server of NATS")
			}
			return line, nil
		}
	}
	return nil, errors.New("the server's INFO is too long")
}

// natsConn is a connection that is read from its INFO on.
type natsConn struct {
	*ssl.Conn
	r io.Reader
}

func (c natsConn) Read(b []byte) (int, error) { return c.r.Read(b) }
