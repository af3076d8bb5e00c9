package valkeystore

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"sessl/ssl"
	"sessl/valkeystore/internal/resp"
)

// atSentinel is what valkey-go calls dial with for a Sentinel. It asks for the same credentials at all
// connections, and the database's are none of a Sentinel's: the address says which it is.
var atSentinel = &tls.Config{}

// A sentinelAddr is the address of a Sentinel.
type sentinelAddr struct{ net.Addr }

type sentinelConn struct{ net.Conn }

func (c sentinelConn) RemoteAddr() net.Addr { return sentinelAddr{c.Conn.RemoteAddr()} }

// dial makes a connection to a node, for valkey-go. It has a deadline of its own, because that of the
// call for which it is made may be too short for a handshake.
func (c *Client) dial(ctx context.Context, addr string, d *net.Dialer, of *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.Timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	var conn net.Conn
	var err error
	if c.dialer == nil {
		conn, err = d.DialContext(ctx, "tcp", addr)
	} else {
		conn, err = c.dialer.DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	if of == atSentinel {
		conn = sentinelConn{conn}
	}
	guarded, made := resp.NewConn(conn, maxReply), time.Now()
	guarded.Leave = func() bool { return c.leaving.leaves(made) }
	return guarded, nil
}

// leaveEvery is after how long connections are made anew once more to a database that takes no writes.
const leaveEvery = 30 * time.Second

// leaving decides which connections end on which the database takes no writes: its name may be that of
// another node by now, and the one of before ends none.
type leaving struct {
	mu    sync.Mutex
	since time.Time // of the first answer, or the first one after leaveEvery
}

// leaves reports whether a connection that was made then is to end: all of before the first such answer, and
// those that are made now only if it stays so.
func (l *leaving) leaves(made time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() || time.Since(l.since) > leaveEvery {
		l.since = time.Now()
	}
	return made.Before(l.since)
}

// maxReply is that of a session with what is around it. No other reply is longer.
const maxReply = ssl.MaxEncodedSession + 4<<10
