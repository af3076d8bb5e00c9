package ssl

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Conn is a TLS connection over another net.Conn, and a net.Conn itself: an SSL of
// OpenSSL with the waiting left to Go. Read, Write, Handshake, the deadlines, Close and
// everything about sessions may be called from several goroutines at once; a Read that
// waits does not stop a Write.
//
// A Conn must be closed. One that was dropped is freed by the garbage collector, without
// telling the peer.
type Conn struct {
	h      handle[connPtr]
	ctx    *Ctx // a server's may become another in the handshake, under handshaking and mu; see ctxNow
	net    net.Conn
	peer   net.Addr // net's, which may be any code; set before handshaking.done
	tr     transport
	name   string // what the server must be called; a client's
	server bool
	gate   gate // of the Ctx that it began with

	// Locks are taken in this order: handshaking or writing.calls, reading, writing, mu. mu is
	// held for one step in C at a time, never while waiting. Every use of the SSL is such a
	// step: OpenSSL has no lock of its own that would help.
	handshaking connHandshake
	reading     connReading
	writing     connWriting
	mu          sync.Mutex

	sessions connSessions
	early    earlyData
	auth     postAuth // asking for the client's certificate later
	midway   midway
	keyLog   connKeyLog
	closing  connClosing

	info   connInfo              // set before handshaking.done; the peer's part is under mu from then on
	ended  atomic.Pointer[Error] // the fatal error of TLS that came first
	protos *[]string             // what SetNextProtos has set; under mu
	own    []*ownChain           // that it may send; under mu
}

// connHandshake is held by a handshake to its end.
type connHandshake struct {
	sem
	done    atomic.Bool // complete, and the peer verified
	err     error       // why it failed
	begun   time.Time   // when its first step came
	clock   handshakeClock
	paused  error // what the last Handshake returned
	asked   bool  // VerifyConnection has been asked
	started bool  // libssl has begun; under mu
}

// connReading is held while bytes come from the connection underneath.
type connReading struct {
	sem
	err      error        // sticky
	heard    bool         // application data has come
	gateHeld bool         // the next handshake step has its place
	until    atomic.Int64 // the deadline in Unix nanoseconds, 0 for none

	keeping sync.Mutex
	kept    []byte      // data that came while the client was asked, for Read; under keeping
	keeps   atomic.Bool // there is some
}

// connWriting is held while bytes go to the connection underneath.
type connWriting struct {
	sem
	calls    sem          // held by a Write to its end, outside of all others
	err      atomic.Value // sticky; stickyError
	notified bool         // close_notify has been queued
	stuck    bool         // Close interrupted a Write
	until    atomic.Int64 // the deadline in Unix nanoseconds, 0 for none

	flushing atomic.Bool   // the background flusher runs
	attempt  atomic.Uint64 // counts what may let output go that could not be sent
	inVain   atomic.Uint64 // the attempt at which the flusher has failed, and one more
	waiting  atomic.Int64  // output bytes that were not sent
}

// connSessions are the sessions that a connection offers and receives. All is under mu, unless a
// field says otherwise.
type connSessions struct {
	offered   offer // what SetSession found
	set       bool  // a client's application has said what to offer
	tickets13 *int  // what SetNumTickets has set

	fresh       []*Session // received, not yet delivered; each owned
	freshKept   int        // how many of fresh a server's cache has
	freshWeight int        // what all of fresh count for

	cache      ClientSessionCache // a client's; set before the handshake, as key
	key        SessionKey
	taken      *Session    // offered, and still in cache
	notOffered ReuseState  // why cache gave nothing; under handshaking
	removed    atomic.Bool // libssl has removed sessions of ctx
	spoiled    atomic.Bool // a TLS error has made the session one not to be offered again
}

// connKeyLog is what KeyLogWriter is still to get.
type connKeyLog struct {
	lines   [][]byte    // under mu
	waiting atomic.Bool // there are some
}

type connClosing struct {
	closed    atomic.Bool     // Close has begun
	life      context.Context // ends then
	end       context.CancelFunc
	deadlines sync.Mutex // held while deadlines are set: none may be set over those of Close
}

type connInfo struct {
	state ConnectionState // without the certificates
	reuse ReuseState
	peer  *peerChain
	own   *ownChain // what this side has sent
}

var connKind = kind[connPtr]{name: "conn", free: freeConn, gone: ErrClosed}

// Client makes the client side of a connection over conn (SSL_new). The handshake is done
// by the first Read or Write, or by Handshake. ctx must have a ServerName, unless it is
// InsecureSkipVerify or PSKOnly. The Conn owns conn from here on; on error conn is left alone.
//
// It resumes as a [Dialer] does: unless SetSession or UseSessionCache have been called by then,
// the handshake offers a session from ctx's own cache, and those of the connection go there. They
// belong to the verified name and the port in conn's RemoteAddr; where no name is verified, to the
// RemoteAddr, and where that is nobody's, as a net.Pipe's, none is kept. Behind a proxy the RemoteAddr
// is the proxy's: [Dialer.Client] takes the server's.
func Client(conn net.Conn, ctx *Ctx) (*Conn, error) {
	return newConn("Client", conn, ctx, false, ctx.ServerName())
}

// Server makes the server side of a connection over conn (SSL_new). See Client.
func Server(conn net.Conn, ctx *Ctx) (*Conn, error) {
	return newConn("Server", conn, ctx, true, "")
}

func newConn(op string, conn net.Conn, ctx *Ctx, server bool, name string) (*Conn, error) {
	if isNil(conn) || ctx == nil {
		return nil, fail(op, ErrNil)
	}
	if server != ctx.server {
		if server {
			return nil, fail(op, ErrClient)
		}
		return nil, fail(op, ErrServer)
	}
	promised, _ := conn.(*unsafeSocket)
	if promised != nil {
		conn = promised.Conn
	}
	c := &Conn{
		ctx: ctx, gate: ctx.gate, net: conn, name: name, server: server,
		handshaking: connHandshake{sem: newSem(), clock: handshakeClock{limit: ctx.timeout}},
		reading:     connReading{sem: newSem()},
		writing:     connWriting{sem: newSem(), calls: newSem()},
		midway:      newMidway(),
		auth:        newPostAuth(),
	}
	c.closing.life, c.closing.end = context.WithCancel(context.Background())
	if err := c.checkName(); err != nil {
		return nil, fail(op, err)
	}
	err := ctx.withPtr(op, func(p ctxPtr) error {
		ptr, err := newConnPtr(op, p, c)
		if err == nil {
			c.h.adopt(&connKind, ptr)
			c.tr = newTransport(c, promised)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// checkName brings a client's server name into the form that certificates use.
func (c *Conn) checkName() error {
	if c.server {
		c.name = ""
		return nil
	}
	name, err := hostName(c.name)
	if err != nil {
		return err
	}
	if name == "" && c.ctx.verify && !c.ctx.psk.only {
		return configError("a client needs a ServerName to verify, or InsecureSkipVerify")
	}
	c.name = name
	return nil
}

// usable is why nothing can be done with a Conn that never was one.
func (c *Conn) usable(op string) error {
	switch {
	case c == nil:
		return fail(op, ErrNil)
	case c.h.obj == nil:
		return fail(op, ErrClosed)
	}
	return nil
}

// NetConn returns the connection underneath. Reading from it or writing to it breaks the
// TLS connection.
func (c *Conn) NetConn() net.Conn {
	if c == nil {
		return nil
	}
	return c.net
}

// LocalAddr returns the local address of the connection underneath; nil for a Conn that
// never was one.
func (c *Conn) LocalAddr() net.Addr {
	if c.usable("") != nil {
		return nil
	}
	return c.net.LocalAddr()
}

// RemoteAddr returns the peer's address; nil for a Conn that never was one.
func (c *Conn) RemoteAddr() net.Addr {
	if c.usable("") != nil {
		return nil
	}
	return c.net.RemoteAddr()
}

// String names the two ends: a Conn must not be walked by fmt while it is in use.
func (c *Conn) String() string {
	return fmt.Sprintf("ssl.Conn(%v, %v)", c.LocalAddr(), c.RemoteAddr())
}

// GoString is String.
func (c *Conn) GoString() string { return c.String() }

// SetDeadline sets the read and the write deadline.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of Read and of a handshake's reads; the zero time is
// none. A Read that timed out can be repeated.
func (c *Conn) SetReadDeadline(t time.Time) error {
	const op = "Conn.SetReadDeadline"
	if err := c.usable(op); err != nil {
		return err
	}
	return c.setDeadline(op, t, &c.reading.until, c.net.SetReadDeadline)
}

// SetWriteDeadline sets the deadline of Write and of a handshake's writes; the zero time
// is none. What a Write that timed out has encrypted is kept and goes out with the next
// one, so the connection stays usable.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	const op = "Conn.SetWriteDeadline"
	if err := c.usable(op); err != nil {
		return err
	}
	defer c.midway.wake()
	defer c.writing.attempt.Add(1)
	return c.setDeadline(op, t, &c.writing.until, c.net.SetWriteDeadline)
}

func (c *Conn) setDeadline(op string, t time.Time, until *atomic.Int64, set func(time.Time) error) error {
	c.closing.deadlines.Lock()
	defer c.closing.deadlines.Unlock()
	if c.closing.closed.Load() {
		return fail(op, ErrClosed)
	}
	until.Store(deadlineNano(t))
	return set(t)
}

// deadlineNano is t in Unix nanoseconds, 0 for none. UnixNano alone is undefined before
// 1678 and after 2262, where careless programs put the deadline that never comes.
func deadlineNano(t time.Time) int64 {
	switch s := t.Unix(); {
	case t.IsZero():
		return 0
	case s < 0:
		return 1
	case s >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return max(t.UnixNano(), 1)
}

// ClientWithServerName is Client for the server of that name, which is sent as SNI and
// demanded of the certificate (SSL_set_tlsext_host_name, X509_get_ext_d2i) in the place of
// the Ctx's ServerName; an empty one leaves that in force. It is for those who connect by
// other means than a [Dialer], to many servers with one Ctx. Like Client it resumes from the cache
// of the Ctx; sessions of one name are not offered to another.
func ClientWithServerName(conn net.Conn, ctx *Ctx, serverName string) (*Conn, error) {
	return newConn("ClientWithServerName", conn, ctx, false, cmp.Or(serverName, ctx.ServerName()))
}
