package ssltest

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"sessl/ssl"
)

// A rogueEnd is a Conn of TLS 1.3 that a test takes the keys from once its handshake is complete,
// to speak in its place.
type rogueEnd struct {
	*ssl.Conn
	raw net.Conn
	log bytes.Buffer
}

// NewRogueEnd makes one over raw, with cfg and the suite that a rogue knows. A server's issues no
// tickets.
func NewRogueEnd(t testing.TB, raw net.Conn, cfg *ssl.Config, server bool) *rogueEnd {
	t.Helper()
	e := &rogueEnd{raw: raw}
	own := *cfg
	own.MinVersion, own.CipherSuites, own.KeyLogWriter = ssl.VersionTLS13, []uint16{tls.TLS_AES_128_GCM_SHA256},
		&e.log
	var err error
	if server {
		e.Conn, err = ssl.Server(raw, NewServerCtx(t, &own))
	} else {
		e.Conn, err = ssl.Client(raw, NewClientCtx(t, &own))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	e.SetDeadline(time.Now().Add(Timeout))
	if server {
		err = e.SetNumTickets(0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TakeOver returns what speaks for the end, which is not to be used any more. It must have sent
// and read nothing since its handshake.
func (e *rogueEnd) TakeOver(t testing.TB, server bool) (*Rogue, *Eavesdropper) {
	t.Helper()
	ours, theirs := ClientTraffic, ServerTraffic
	if server {
		ours, theirs = theirs, ours
	}
	r := &Rogue{Conn: e.raw, Keys: NewKeys(e.secret(t, ours))}
	return r, &Eavesdropper{conn: e.raw, keys: NewKeys(e.secret(t, theirs)), news: make(chan struct{})}
}

func (e *rogueEnd) secret(t testing.TB, name string) []byte {
	t.Helper()
	secret := LoggedSecret(e.log.String(), name)
	if secret == nil {
		t.Fatalf("%s was not logged", name)
	}
	return secret
}

// NewRogueServer does the handshake of a server with c, and speaks for it then.
func NewRogueServer(t testing.TB, raw net.Conn, c *ssl.Conn, cfg *ssl.Config) (*Rogue, *Eavesdropper) {
	t.Helper()
	e := NewRogueEnd(t, raw, cfg, true)
	e.Meet(t, c)
	return e.TakeOver(t, true)
}

// Meet does the handshake with c.
func (e *rogueEnd) Meet(t testing.TB, c *ssl.Conn) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- e.Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// An Eavesdropper reads what a rogue's victim sends.
type Eavesdropper struct {
	conn net.Conn
	keys *Keys
	mu   sync.Mutex
	said []string      // "data", "alert 0", "message 24"
	news chan struct{} // closed when there is more
}

// Listen reads until the end.
func (e *Eavesdropper) Listen() error {
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(e.conn, head); err != nil {
			return err
		}
		body := make([]byte, binary.BigEndian.Uint16(head[3:]))
		if _, err := io.ReadFull(e.conn, body); err != nil {
			return err
		}
		if err := e.hear(append(head, body...)); err != nil {
			return err
		}
	}
}

func (e *Eavesdropper) hear(record []byte) error {
	kind, content, err := e.keys.Open(record)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	defer func() {
		close(e.news)
		e.news = make(chan struct{})
	}()
	switch kind {
	case TypeData:
		e.said = append(e.said, "data")
	case TypeHandshake:
		e.said = append(e.said, fmt.Sprint("message ", content[0]))
		if content[0] == 24 {
			e.keys.Update()
		}
	default:
		e.said = append(e.said, fmt.Sprint("alert ", content[1]))
	}
	return nil
}

// Await waits until the victim has said that.
func (e *Eavesdropper) Await(t testing.TB, what string) {
	t.Helper()
	late := time.After(Timeout)
	for {
		e.mu.Lock()
		said, news := slices.Clone(e.said), e.news
		e.mu.Unlock()
		if slices.Contains(said, what) {
			return
		}
		select {
		case <-news:
		case <-late:
			t.Fatalf("%q was not heard, but %q", what, said)
		}
	}
}

// NewTicket is a NewSessionTicket message; early is its limit of early data, 0 for no extension.
func NewTicket(number, early uint32, length int) []byte {
	b := binary.BigEndian.AppendUint32(nil, 7200) // lifetime
	b = binary.BigEndian.AppendUint32(b, 1)       // what is added to the age
	b = append(b, 4)
	b = binary.BigEndian.AppendUint32(b, number) // nonce
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = binary.BigEndian.AppendUint32(b, number) // the ticket begins with it
	b = append(b, make([]byte, length-4)...)
	if early == 0 {
		b = append(b, 0, 0)
	} else {
		b = append(b, 0, 8, 0, 42, 0, 4)
		b = binary.BigEndian.AppendUint32(b, early)
	}
	return Message(4, b)
}
