package demo

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"sessl/ssl"
)

// client makes connections one after the other and offers each the newest session.
type client struct {
	ctx     *ssl.Ctx
	newest  *ssl.Session
	echoed  []byte // the server's answer to "ping\n"
	reused  int
	full    time.Duration
	resumed []time.Duration
	state   ssl.ConnectionState
}

func newClient(ca string, fm form, echoed string) (*client, error) {
	roots, err := ssl.LoadCertPool(ca)
	if err != nil {
		return nil, err
	}
	c := &client{echoed: []byte(echoed)}
	c.ctx, err = ssl.NewClientCtx(&ssl.Config{
		RootCAs:                roots,
		ServerName:             "localhost",
		MaxVersion:             fm.version,
		SessionTicketsDisabled: !fm.tickets,
		OnNewSession: func(_ *ssl.Conn, s *ssl.Session) {
			c.newest.Close() // the previous session; Close on nil is fine
			c.newest = s
		},
	})
	return c, err
}

func (c *client) Close() {
	c.newest.Close()
	c.ctx.Close()
}

// connect does one connection: a handshake, one round trip, which also brings the tickets of
// TLS 1.3, and Close.
func (c *client) connect(addr string) error {
	raw, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return err
	}
	conn, err := ssl.Client(raw, c.ctx)
	if err != nil {
		raw.Close()
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(timeout))
	if c.newest != nil {
		if err := conn.SetSession(c.newest); err != nil {
			return err
		}
	}
	start := time.Now()
	if err := conn.Handshake(); err != nil {
		return err
	}
	took := time.Since(start)
	c.state = conn.ConnectionState()
	if c.state.DidResume {
		c.reused++
		c.resumed = append(c.resumed, took)
	} else {
		c.full = took
	}
	return c.roundTrip(conn)
}

func (c *client) roundTrip(conn *ssl.Conn) error {
	if _, err := conn.Write([]byte("ping\n")); err != nil {
		return err
	}
	got := make([]byte, len(c.echoed))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if !bytes.Equal(got, c.echoed) {
		return fmt.Errorf("the server echoed %q", got)
	}
	return nil
}

// reuse does one full handshake and the resumptions, prints a line, and fails unless all of
// them were resumed.
func (c *client) reuse(w io.Writer, name, addr string) error {
	for range 1 + resumptions {
		if err := c.connect(addr); err != nil {
			return err
		}
	}
	lifetime, err := c.newest.Timeout()
	if err != nil {
		return err
	}
	slices.Sort(c.resumed)
	median := time.Duration(0)
	if len(c.resumed) > 0 {
		median = c.resumed[len(c.resumed)/2]
	}
	fmt.Fprintf(w, "%-19s %2d/%d reused  %s  %-29s full %7.2f ms  resumed %5.2f ms  lifetime %s\n",
		name, c.reused, resumptions,
		ssl.VersionName(c.state.Version), c.state.CipherName, ms(c.full), ms(median), lifetime)
	if c.reused != resumptions {
		return fmt.Errorf("%s: %d of %d connections were resumed", name, c.reused, resumptions)
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
