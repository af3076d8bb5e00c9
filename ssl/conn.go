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
	h    handle[connPtr]
	ctx  *Ctx // a server's may become another in the handshake, under handshaking and mu; see ctxNow
	gate gate // of the Ctx that it began with
	net  net.Conn
	peer net.Addr // net's, which may be anybody's code; set before done
	tr   transport
	name string // what the server must be called; a client's

	server bool

	// mu is held for one step in C at a time, never while waiting. Every use of the SSL is
	// such a step: OpenSSL has no lock of its own that would help.
	mu      sync.Mutex
	started bool       // the handshake has begun
	offered offer      // what SetSession found
	fresh   []*Session // received, not yet delivered; each owned

	freshKept, freshWeight int // how many of fresh a server's cache has; what all of them count for

	sessionsSet bool // a client's application has said what to offer; under mu

	ended atomic.Pointer[Error] // the fatal error of TLS that came first

	cache      ClientSessionCache // a client's; set before the handshake, as cacheKey
	cacheKey   SessionKey
	taken      *Session    // offered, and still in cache; under mu
	notOffered ReuseState  // why SessionCache gave nothing; under handshaking
	removed    atomic.Bool // libssl has removed sessions of ctx
	spoiled    atomic.Bool // a TLS error has made the session one not to be offered again

	protos   *[]string   // what SetNextProtos has set
	own      []*ownChain // that it may send
	keyLines [][]byte    // for KeyLogWriter, not yet written
	logs     atomic.Bool // there are some

	// reading and writing are held while bytes are moved to and from net; reading comes
	// first when both are needed, and mu is taken inside of them.
	reading, writing sem

	// writers is held by a Write to its end, outside of the others.
	writers sem
	midway  midway

	handshaking sem
	done        atomic.Bool // handshake complete, peer verified
	hsErr       error       // why it failed; under handshaking
	begun       time.Time   // when its first step came; under handshaking
	clock       handshakeClock
	paused      error // what the last Handshake returned; under handshaking
	judged      bool  // VerifyConnection has been asked; under handshaking
	early       earlyData
	tickets13   *int     // what SetNumTickets has set; under mu
	info        connInfo // set before done; the peer's part is under mu from then on
	auth        postAuth // asking for the client's certificate later

	flushing  atomic.Bool     // the background flusher runs
	attempt   atomic.Uint64   // counts what may let output go that could not be sent
	inVain    atomic.Uint64   // the attempt at which the flusher has failed, and one more
	waiting   atomic.Int64    // output bytes that were not sent
	closed    atomic.Bool     // Close has begun
	life      context.Context // ends then
	end       context.CancelFunc
	gateHeld  bool   // the next handshake step has its place; under reading
	readErr   error  // sticky; under reading
	heard     bool   // application data has come; under reading
	kept      []byte // data that came while the client was asked, for Read; under keeping
	keeping   sync.Mutex
	keeps     atomic.Bool  // there is some
	writeErr  atomic.Value // sticky; stickyError
	notified  bool         // close_notify has been queued; under writing
	stuck     bool         // Close interrupted a Write; under writing
	readUntil atomic.Int64 // deadlines in Unix nanoseconds, 0 for none
	sendUntil atomic.Int64
	deadlines sync.Mutex // held while they are set: none may be set over those of Close
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
	c := &Conn{ctx: ctx, gate: ctx.gate, clock: handshakeClock{limit: ctx.timeout}, net: conn, name: name, server: server, reading: newSem(), writing: newSem(), writers: newSem(), handshaking: newSem(), midway: newMidway(), auth: newPostAuth()}
	c.life, c.end = context.WithCancel(context.Background())
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
	return c.setDeadline(op, t, &c.readUntil, c.net.SetReadDeadline)
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
	defer c.attempt.Add(1)
	return c.setDeadline(op, t, &c.sendUntil, c.net.SetWriteDeadline)
}

func (c *Conn) setDeadline(op string, t time.Time, until *atomic.Int64, set func(time.Time) error) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.closed.Load() {
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

// sem is a mutex that can be waited for with a limit.
type sem chan struct{}

func newSem() sem { return make(sem, 1) }

func (s sem) lock()   { s <- struct{}{} }
func (s sem) unlock() { <-s }

// lockFor reports whether it got the lock within d, or at once.
func (s sem) lockFor(d time.Duration) bool {
	select {
	case s <- struct{}{}:
		return true
	default:
	}
	if d <= 0 {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case s <- struct{}{}:
		return true
	case <-t.C:
		return false
	}
}

// ClientWithServerName is Client for the server of that name, which is sent as SNI and
// demanded of the certificate (SSL_set_tlsext_host_name, X509_get_ext_d2i) in the place of
// the Ctx's ServerName; an empty one leaves that in force. It is for those who connect by
// other means than a [Dialer], to many servers with one Ctx. Like Client it resumes from the cache
// of the Ctx; sessions of one name are not offered to another.
func ClientWithServerName(conn net.Conn, ctx *Ctx, serverName string) (*Conn, error) {
	return newConn("ClientWithServerName", conn, ctx, false, cmp.Or(serverName, ctx.ServerName()))
}
