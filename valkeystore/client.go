package valkeystore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"

	"sessl/ssl"
)

// A Client is a machine's end of what a fleet shares. Its methods may be called from several goroutines
// at once.
type Client struct {
	at     location
	opts   *Options
	dialer *ssl.Dialer // nil without TLS
	ownCtx *ssl.Ctx    // of the dialer, if it was made here

	life context.Context // ends with Close
	up   chan struct{}   // closed when the database has answered
	end  context.CancelFunc
	jobs sync.WaitGroup

	guarding guarding
	tickets  ticketing

	keeping keeping

	neighbours neighbouring

	leaving leaving

	mu      sync.Mutex
	db      valkey.Client // nil until it is connected
	failed  error         // why it is not
	closing bool          // Close has been called
	closed  bool          // the database is not asked any more
}

// Open returns a Client of the database at url: valkeys://user:password@host:port/namespace, or valkey:// for
// a connection without TLS; rediss and redis are the same two. It returns at once and goes on connecting:
// until then, and whenever the database is away, a machine works with what it has.
//
// The namespace is what keeps fleets in one database apart: letters, digits, '-', '_', '.' and ':'. Behind a
// question mark, addr=host:port names another node of a cluster or another Sentinel, master=name says that
// the hosts are Sentinels, and db=number chooses a database.
//
// It returns ErrConfig for a URL or an option that cannot work, which the text names, ErrNil without options,
// and ErrClosed for closed SealKeys or a closed Ctx. No error shows the URL.
func Open(url string, options *Options) (*Client, error) {
	const op = "Open"
	at, err := parseURL(url)
	if err != nil {
		return nil, fail(op, err)
	}
	opts, err := options.complete(at.tls)
	if err != nil {
		return nil, fail(op, err)
	}
	c := &Client{at: at, opts: opts, up: make(chan struct{})}
	if err := c.prepare(); err != nil {
		c.tickets.keys.Close()
		c.keeping.cache.Close()
		return nil, err
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.jobs.Go(c.connect)
	c.serveNeighbours()
	return c, nil
}

func (c *Client) prepare() error {
	if err := c.prepareTickets(); err != nil {
		return err
	}
	if err := c.prepareCache(); err != nil {
		return err
	}
	c.prepareNeighbours()
	if c.at.tls {
		return c.useTLS()
	}
	return nil
}

func (c *Client) useTLS() error {
	ctx := c.opts.Ctx
	if ctx == nil {
		own, err := ssl.NewClientCtx(nil)
		if err != nil {
			return err
		}
		ctx, c.ownCtx = own, own
	}
	c.dialer = &ssl.Dialer{NetDialer: &net.Dialer{}, Ctx: ctx}
	return nil
}

// Close ends the work with the database and gives its connections back, or does what it can until ctx
// ends. It returns how many writes were lost. Ctxs go on with the keys that they have. Later calls return
// ErrClosed.
func (c *Client) Close(ctx context.Context) (lost int, err error) {
	const op = "Client.Close"
	if c == nil {
		return 0, fail(op, ssl.ErrNil)
	}
	if ctx == nil {
		return 0, fail(op, ssl.ErrNil)
	}
	c.mu.Lock()
	closing := c.closing
	c.closing = true
	c.mu.Unlock()
	if closing {
		return 0, fail(op, ssl.ErrClosed)
	}
	lost = c.closeCache(ctx)
	c.mu.Lock()
	db := c.db
	c.db, c.closed = nil, true
	c.mu.Unlock()
	c.end()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if db != nil {
			db.Close()
		}
		c.jobs.Wait()
		c.tickets.keys.Close()
		c.tickets.machine.Close()
		c.neighbours.drop()
		if c.ownCtx != nil {
			c.ownCtx.Close()
		}
	}()
	select {
	case <-ended:
		return lost, nil
	case <-ctx.Done():
		return lost, ctx.Err()
	}
}

const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// fewFailures in a row are a state of its own, which is logged. One alone may be of a database that restarts.
const fewFailures = 3

// connect makes the database's client, which later reconnects by itself. It is of use only once the
// database has answered: valkey.NewClient fails before.
func (c *Client) connect() {
	failures := 0
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		db, err := valkey.NewClient(c.clientOption())
		last := c.connected(db, err)
		switch {
		case err != nil:
			failures++
			if failures == fewFailures && !last {
				c.opts.Logger.Warn("valkeystore: database", "state", "not connected", "error", err.Error())
			}
		case failures >= fewFailures:
			c.opts.Logger.Info("valkeystore: database", "state", "connected")
		}
		if last {
			return
		}
		if !c.rest(pause) {
			return
		}
	}
}

// rest waits for about as long as pause, with jitter. It returns false if Close comes first.
func (c *Client) rest(pause time.Duration) bool {
	select {
	case <-time.After(pause/2 + rand.N(pause)):
		return true
	case <-c.life.Done():
		return false
	}
}

// connected notes the outcome of an attempt, and reports whether it was the last one.
func (c *Client) connected(db valkey.Client, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		if err == nil {
			db.Close()
		}
		return true
	}
	c.failed = err
	if err == nil {
		c.db = db
		close(c.up)
	}
	return err == nil
}

// connWriteTimeout is after how long without an answer valkey-go gives a connection up.
const connWriteTimeout = time.Second

// bufferSize is that of a connection's reader and its writer: 512 KiB each is valkey-go's default.
const bufferSize = 64 << 10

func (c *Client) clientOption() valkey.ClientOption {
	o := valkey.ClientOption{
		InitAddress:         c.at.addrs,
		SelectDB:            c.at.db,
		Username:            c.at.user,
		Password:            c.at.password,
		DialCtxFn:           c.dial,
		DisableRetry:        true,
		DisableCache:        true,
		ClientSetInfo:       valkey.DisableClientSetInfo,
		ConnWriteTimeout:    connWriteTimeout,
		ReadBufferEachConn:  bufferSize,
		WriteBufferEachConn: bufferSize,
	}
	o.Dialer.Timeout = c.opts.Timeout
	if c.at.master != "" {
		o.Sentinel = valkey.SentinelOption{MasterSet: c.at.master, TopologyRefreshInterval: 5 * time.Second,
			TLSConfig: atSentinel}
		o.Sentinel.Dialer.Timeout = c.opts.Timeout
	}
	if ask := c.opts.Password; ask != nil {
		o.AuthCredentialsFn = func(at valkey.AuthCredentialsContext) (valkey.AuthCredentials, error) {
			if _, ok := at.Address.(sentinelAddr); ok {
				return valkey.AuthCredentials{}, nil
			}
			password, err := askSafely(ask)
			return valkey.AuthCredentials{Username: c.at.user, Password: password}, err
		}
	}
	return o
}

// askSafely makes an error of a panic, which would end the process: valkey-go has goroutines of its own.
func askSafely(ask func() (string, error)) (password string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("Options.Password panicked: %v", r)
		}
	}()
	return ask()
}

// do makes one call, with a deadline. command builds it: a builder belongs to the client, which may not be
// there yet.
func (c *Client) do(ctx context.Context, timeout time.Duration,
	command func(valkey.Builder) valkey.Completed) (r valkey.ValkeyResult, err error) {
	db, err := c.database()
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer recovered(&err)
	r = db.Do(ctx, command(db.B()))
	return r, r.NonValkeyError()
}

// doMulti makes several calls in one pipeline, with one deadline. There is a result for each command, or an
// error.
func (c *Client) doMulti(ctx context.Context, timeout time.Duration,
	commands func(valkey.Builder) []valkey.Completed) (rs []valkey.ValkeyResult, err error) {
	db, err := c.database()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer recovered(&err)
	cmds := commands(db.B())
	if rs = db.DoMulti(ctx, cmds...); len(rs) != len(cmds) {
		return nil, errOtherReply
	}
	return rs, nil
}

// recovered makes an error of a panic in valkey-go, which takes some replies apart without a look.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("valkey-go panicked: %v", r)
	}
}

// database returns the database's client, or says why there is none.
func (c *Client) database() (valkey.Client, error) {
	if c == nil {
		return nil, ssl.ErrNil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, ssl.ErrClosed
	case c.db != nil:
		return c.db, nil
	case c.failed != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotConnected, c.failed)
	}
	return nil, ErrNotConnected
}
