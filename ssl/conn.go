package ssl

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Conn is a TLS connection over another net.Conn, and a net.Conn itself: an SSL of OpenSSL whose
// waiting is done by Go. Read, Write, Handshake, the deadlines, Close and everything about
// sessions may be called from several goroutines at once. A Read that waits does not stop a Write.
//
// A Conn must be closed. The garbage collector frees one that was dropped, but without
// telling the peer.
type Conn struct {
	h      handle[connPtr]
	ctx    *Ctx // a server's may be replaced in the handshake, under handshaking and mu; see ctxNow
	net    net.Conn
	peer   net.Addr // net's, which may run any code; set before handshaking.done
	tr     transport
	name   string // a client's: the name that the server must prove
	server bool
	gate   *gate // of the Ctx that it began with

	// Locks are taken in this order: handshaking or writing.calls, reading, writing,
	// mu. mu is held for one step in C at a time, and never while waiting. Every use of
	// the SSL is such a step, because OpenSSL does not lock an SSL.
	handshaking connHandshake
	reading     connReading
	writing     connWriting
	mu          sync.Mutex

	sessions connSessions
	early    earlyData
	auth     postAuth // a request for the client's certificate after the handshake
	midway   midway
	keyLog   connKeyLog
	closing  connClosing

	info     connInfo              // set before handshaking.done; from then on the peer's part is under mu
	ended    atomic.Pointer[Error] // the first fatal error of TLS
	declined atomic.Bool           // the peer wanted to renegotiate, and has sent no data since
	protos   *[]string             // set by SetNextProtos; under mu
	own      []*ownChain           // chains that it may send; under mu
}

// connHandshake is locked by a handshake until its end.
type connHandshake struct {
	sem
	done    atomic.Bool // complete, and the peer verified
	err     error       // why it failed
	begun   time.Time   // the time of its first step
	clock   handshakeClock
	paused  error // what the last Handshake returned
	asked   bool  // VerifyConnection has been called
	started bool  // libssl has begun; under mu
}

// connReading is locked while bytes come from the connection underneath.
type connReading struct {
	sem
	err      error        // sticky
	heard    bool         // application data has arrived
	gateHeld bool         // there is a place in the gate for the next handshake step
	step     stepResult   // of the last step; not on a stack, which could move while C goes back to Go; under mu
	result   result       // the same in Go's terms, and while there was no step
	until    atomic.Int64 // the deadline in Unix nanoseconds, 0 for none
	dry      atomic.Bool  // all that has come is read, and libssl waits for more. Written under mu

	keeping sync.Mutex
	kept    []byte      // data that arrived while the client was asked, for Read; under keeping
	keeps   atomic.Bool // kept is not empty
}

// connWriting is locked while bytes go to the connection underneath.
type connWriting struct {
	sem
	calls    sem          // locked by a Write until its end, outside of all others
	err      atomic.Value // sticky; stickyError
	notified bool         // close_notify has been queued
	shut     bool         // and sent, and the write side of the connection underneath is closed
	stuck    bool         // Close interrupted a Write
	until    atomic.Int64 // the deadline in Unix nanoseconds, 0 for none

	flushing atomic.Bool   // the background flusher runs
	attempt  atomic.Uint64 // counts events after which unsent output could be sent
	inVain   atomic.Uint64 // one more than the attempt at which the flusher failed
	waiting  atomic.Int64  // bytes of output that were not sent
}

// connSessions are the sessions that a connection offers and receives. All fields are
// under mu, unless their comment says otherwise.
type connSessions struct {
	offered   offer // what became of the session given to SetSession
	set       bool  // a client's application has chosen what to offer
	tickets13 *int  // set by SetNumTickets

	fresh       []*Session  // received, not yet delivered; each owned
	freshKept   int         // how many of fresh a server's cache has got
	keepers     int         // calls that are about to tell that the cache and its store have some
	freshWeight int         // the sum of the weights of fresh
	unkept      atomic.Bool // a server's cache has not got all of them: output waits. Written under mu

	cache      ClientSessionCache // a client's; set before the handshake, like key
	key        SessionKey
	taken      takenSession // what is offered, and comes from a cache
	notOffered ReuseState   // why cache gave nothing; under handshaking
	removed    atomic.Bool  // libssl has removed sessions of ctx
	spoiled    atomic.Bool  // after a TLS error the session must not be offered again
}

// connKeyLog is what KeyLogWriter has not got yet.
type connKeyLog struct {
	lines   [][]byte    // under mu
	waiting atomic.Bool // lines is not empty
}

type connClosing struct {
	life                  // ends when Close begins
	closed    atomic.Bool // the same, as a flag
	deadlines sync.Mutex  // held while deadlines are set, so that none replaces those of Close
}

type connInfo struct {
	state ConnectionState // without the certificates
	reuse ReuseState
	peer  *peerChain
	own   *ownChain // what this side has sent
}

var connKind = kind[connPtr]{name: "conn", free: freeConn, gone: ErrClosed}

// Client makes the client side of a connection over conn (SSL_new). The handshake is done by
// the first Read or Write, or by Handshake. ctx must have a ServerName, unless
// InsecureSkipVerify or PSKOnly is set, or PeerCertificateTypes has no CertificateTypeX509. The Conn
// owns conn from here on, except after an error.
//
// Client resumes as a [Dialer] does: unless SetSession or UseSessionCache is called
// before, the handshake offers a session from ctx's own cache, and the connection's new
// sessions go there. In the cache they belong to the verified name and the port of
// conn's RemoteAddr, or, if no name is verified, to the whole RemoteAddr. If that does
// not identify a peer either, as with a net.Pipe, no session is kept. Behind a proxy
// the RemoteAddr is the proxy's: use [Dialer.Client] there, with the server's address.
func Client(conn net.Conn, ctx *Ctx) (*Conn, error) {
	return newConn("Client", conn, ctx, false, ctx.ServerName())
}

// Server makes the server side of a connection over conn (SSL_new). See Client.
func Server(conn net.Conn, ctx *Ctx) (*Conn, error) {
	return newConn("Server", conn, ctx, true, "")
}

func newConn(op string, conn net.Conn, ctx *Ctx, server bool, name string) (*Conn, error) {
	switch {
	case isNil(conn):
		return nil, fail(op, nilArgument("the net.Conn"))
	case ctx == nil:
		return nil, fail(op, nilArgument("the Ctx"))
	}
	if server != ctx.server {
		if server {
			return nil, fail(op, errClientsCtx)
		}
		return nil, fail(op, errServersCtx)
	}
	promised, _ := conn.(*unsafeSocket)
	if promised != nil {
		conn = promised.Conn
	}
	c := &Conn{
		ctx: ctx, gate: ctx.gate, net: conn, name: name, server: server,
		handshaking: connHandshake{clock: handshakeClock{limit: ctx.timeout}},
	}
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
	if name == "" && c.ctx.verify && !c.ctx.psk.only && c.ctx.types.peer.x509() {
		return configError("a client needs a ServerName to verify, or InsecureSkipVerify")
	}
	c.name = name
	return nil
}

// usable returns the error for a nil Conn and for the zero Conn.
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

// LocalAddr returns the local address of the connection underneath, or nil for a nil or zero Conn.
func (c *Conn) LocalAddr() net.Addr {
	if c.usable("") != nil {
		return nil
	}
	return c.net.LocalAddr()
}

// RemoteAddr returns the peer's address, or nil for a nil or zero Conn.
func (c *Conn) RemoteAddr() net.Addr {
	if c.usable("") != nil {
		return nil
	}
	return c.net.RemoteAddr()
}

// String names both ends, so that fmt does not print the fields of a Conn in use.
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

// SetReadDeadline sets the deadline of Read and of a handshake's reads; the zero time
// means none. A Read that timed out can be repeated.
func (c *Conn) SetReadDeadline(t time.Time) error {
	const op = "Conn.SetReadDeadline"
	if err := c.usable(op); err != nil {
		return err
	}
	defer c.midway.wake()
	return c.setDeadline(op, t, &c.reading.until, c.net.SetReadDeadline)
}

// SetWriteDeadline sets the deadline of Write and of a handshake's writes; the zero
// time means none. If a Write times out, the bytes that it has encrypted are kept and
// sent with the next Write, so the connection stays usable.
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
// 1678 and after 2262, dates that programs use for a deadline that never comes.
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
// verified in the certificate (SSL_set_tlsext_host_name, X509_get_ext_d2i), instead of
// the Ctx's ServerName; an empty name means the Ctx's. It is for programs that do not
// connect with a [Dialer], but reach many servers with one Ctx. Like Client, it resumes
// from the cache of the Ctx; sessions of one name are not offered to another.
func ClientWithServerName(conn net.Conn, ctx *Ctx, serverName string) (*Conn, error) {
	return newConn("ClientWithServerName", conn, ctx, false, cmp.Or(serverName, ctx.ServerName()))
}
