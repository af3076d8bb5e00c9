// Package starttls begins TLS on connections that begin in the clear: it says STARTTLS, AUTH TLS, or
// what else a protocol has for it, and leaves the connection to package ssl where the server expects
// the handshake.
//
//	d := &ssl.Dialer{Ctx: ctx, DialFunc: starttls.SMTP.DialContext}
//	conn, err := d.Dial("tcp", "mail.example.org:587") // speaks TLS, and resumes as any Dial does
//
// A server that does not offer TLS, or refuses it, is an error: nothing goes on in the clear. What the
// server says before TLS may be the word of anyone on the way. It is therefore bounded (ErrTooLong),
// nothing of it is handed on, and bytes behind the answer that ends it are refused (ErrInjected).
package starttls

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
)

// A Protocol is one that can begin TLS on a connection in the clear.
type Protocol int

// The protocols.
const (
	SMTP     Protocol = iota + 1 // STARTTLS after EHLO, RFC 3207
	IMAP                         // STARTTLS, RFC 9051
	POP3                         // STLS, RFC 2595
	FTP                          // AUTH TLS, for the control connection, RFC 4217
	Postgres                     // SSLRequest of PostgreSQL
	XMPP                         // starttls from client to server, RFC 6120
)

// protocols has the name of each, how it asks for TLS, and how its servers begin to talk.
var protocols = map[Protocol]struct {
	name     string
	ask      func(t *talk, host string) error
	greeting string
}{
	SMTP:     {"smtp", askSMTP, "220 TLS\r\n"},
	IMAP:     {"imap", askIMAP, "* OK TLS\r\n"},
	POP3:     {"pop3", askPOP3, "+OK TLS\r\n"},
	FTP:      {"ftp", askFTP, "220 TLS\r\n"},
	Postgres: {"postgres", askPostgres, ""},
	XMPP:     {"xmpp", askXMPP, ""},
}

// Names returns the names that ParseProtocol knows, in the order of the constants.
func Names() []string {
	names := make([]string, 0, len(protocols))
	for p := SMTP; p <= XMPP; p++ {
		names = append(names, p.String())
	}
	return names
}

// ParseProtocol returns the protocol of a name, as String returns it.
func ParseProtocol(name string) (Protocol, error) {
	for p, known := range protocols {
		if known.name == name {
			return p, nil
		}
	}
	return 0, fmt.Errorf("starttls: unknown protocol %q, want one of %s", name, strings.Join(Names(), ", "))
}

// String returns the protocol's name: smtp, imap, pop3, ftp, postgres or xmpp.
func (p Protocol) String() string {
	if known, ok := protocols[p]; ok {
		return known.name
	}
	return fmt.Sprintf("Protocol(%d)", int(p))
}

// DialContext connects by a net.Dialer and calls Upgrade with the host of addr. It has the form of
// ssl.Dialer's DialFunc. An XMPP domain whose server has another name, by an SRV record, needs Upgrade with
// the domain, and ssl.Dialer.Client.
func (p Protocol) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return p.DialFunc(new(net.Dialer).DialContext)(ctx, network, addr)
}

// DialFunc is DialContext over connections that dial makes, for example through a proxy.
func (p Protocol) DialFunc(dial func(ctx context.Context, network, addr string) (net.Conn, error),
) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			host = addr // of a Unix socket
		}
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if err := p.Upgrade(ctx, conn, host); err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}
}

// WithGreeting returns conn with a greeting in front of what it reads. Servers greet a client once, in
// the clear, and libraries that get their connection after STARTTLS wait for it in vain. The greeting is
// made up, because the server's own may be someone else's: capabilities must be asked for again. For
// Postgres and XMPP, where the client speaks first, it is empty. The result has a method NetConn that
// returns conn.
func (p Protocol) WithGreeting(conn net.Conn) net.Conn {
	return &greeted{Conn: conn, greeting: bytes.NewReader([]byte(protocols[p].greeting))}
}

// greeted is a connection that is read from its greeting on.
type greeted struct {
	net.Conn
	mu       sync.Mutex
	greeting *bytes.Reader
}

// NetConn returns the connection behind the greeting.
func (g *greeted) NetConn() net.Conn { return g.Conn }

func (g *greeted) Read(b []byte) (int, error) {
	g.mu.Lock()
	n, _ := g.greeting.Read(b)
	g.mu.Unlock()
	if n > 0 || len(b) == 0 {
		return n, nil
	}
	return g.Conn.Read(b)
}
