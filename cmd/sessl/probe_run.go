package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"sessl/ssl"
)

const (
	// patience is how long a server may take to send its tickets, and to close after us.
	patience = time.Second
	// grace is how long a server may take to send more tickets after the first one.
	grace = 100 * time.Millisecond
)

// prober makes the connections of a probe, one after the other.
type prober struct {
	o        *probeOptions
	ctx      *ssl.Ctx
	newest   *ssl.Session // received and not offered yet
	used     *ssl.Session // the one offered last
	hurry    *time.Time   // set while reading: the deadline once a session has arrived
	needData bool         // the server gave no ticket without data
	report   report
}

// probe measures the server of o.
func probe(ctx context.Context, o *probeOptions, bar *progress) (*report, error) {
	p := &prober{o: o}
	p.report.Target = o.addr
	p.report.ServerName = o.serverName
	if o.early {
		p.report.EarlyData = &earlyReport{}
	}
	cfg, err := o.config()
	if err != nil {
		return nil, err
	}
	cfg.OnNewSession = p.keep
	if p.ctx, err = ssl.NewClientCtx(cfg); err != nil {
		return nil, bare(err)
	}
	defer p.close()
	if err := p.loadSession(); err != nil {
		return nil, err
	}
	defer bar.done()
	if err := p.run(ctx, bar); err != nil {
		return nil, err
	}
	if err := p.saveSession(); err != nil {
		return nil, err
	}
	p.report.finish()
	return &p.report, nil
}

// loadSession makes the session of --session-in the next to be offered.
func (p *prober) loadSession() error {
	if p.o.sessionIn == "" {
		return nil
	}
	s, err := readSession(p.o.sessionIn, nil)
	if err != nil {
		return err
	}
	p.newest = s
	ok, err := s.Resumable()
	if err == nil && !ok {
		err = fmt.Errorf("%s: the session is not resumable", p.o.sessionIn)
	}
	return err
}

// saveSession writes the file of --session-out, if there is a session to keep.
func (p *prober) saveSession() error {
	s := p.newest
	if s == nil {
		s = p.used
	}
	if p.o.sessionOut == "" || s == nil {
		return nil
	}
	if err := writeSession(p.o.sessionOut, s); err != nil {
		return err
	}
	p.report.SessionOut = &p.o.sessionOut
	return nil
}

func (p *prober) close() {
	p.newest.Close()
	p.used.Close()
	p.ctx.Close()
}

// keep is the OnNewSession function. The prober's goroutine makes all calls.
func (p *prober) keep(c *ssl.Conn, s *ssl.Session) {
	p.newest.Close()
	p.newest = s
	if p.hurry != nil {
		c.SetReadDeadline(*p.hurry)
	}
}

// run alternates full handshakes with resumptions, so that a change in the speed of the network
// or the machine affects both. The session of a file is offered first.
func (p *prober) run(ctx context.Context, bar *progress) error {
	total := 2 * p.o.n
	for i := range total {
		bar.show("probing %s: handshake %d of %d", p.o.addr, i+1, total)
		resume := i%2 == 1
		if p.o.sessionIn != "" {
			resume = !resume
		}
		if !resume {
			if err := p.full(ctx); err != nil {
				return err
			}
			if p.newest == nil && p.used == nil {
				return nil // nothing to offer, now or later
			}
			continue
		}
		if err := p.resumption(ctx); err != nil {
			return err
		}
	}
	return nil
}

// full does a full handshake, and a second one with data if the first brought no session.
func (p *prober) full(ctx context.Context) error {
	p.discard()
	if err := p.connect(ctx, nil); err != nil {
		return err
	}
	if p.newest != nil || p.needData || p.o.send != nil || p.o.request(p.report.ALPN) == "" {
		return nil
	}
	p.needData = true
	err := p.connect(ctx, nil)
	p.report.NeedsData = p.newest != nil
	return err
}

// discard makes the newest session the used one, so that it is not taken for a new one.
func (p *prober) discard() {
	if p.newest != nil {
		p.used.Close()
		p.used, p.newest = p.newest, nil
	}
}

// resumption offers the newest session.
func (p *prober) resumption(ctx context.Context) error {
	p.discard()
	return p.connect(ctx, p.used)
}

// connect makes one connection, and keeps it until the server has had time to send tickets.
func (p *prober) connect(ctx context.Context, offer *ssl.Session) error {
	limited, cancel := context.WithTimeoutCause(ctx, p.o.timeout,
		fmt.Errorf("it did not end within %s", p.o.timeout))
	defer cancel()
	raw, err := p.o.dial(limited)
	if err != nil {
		return err
	}
	c, err := ssl.Client(raw, p.ctx)
	if err != nil {
		raw.Close()
		return err
	}
	defer c.Close()
	if offer == nil {
		err = c.UseSessionCache(ssl.NoSessionCache{}, "")
	} else {
		err = c.SetSession(offer)
	}
	if err != nil {
		return err
	}
	start, why := time.Now(), ""
	if offer != nil && p.o.early {
		if why, err = p.sendEarly(limited, c); err != nil {
			return handshakeError(err)
		}
	}
	if err := c.HandshakeContext(limited); err != nil {
		return handshakeError(err)
	}
	p.report.add(c, time.Since(start), offer, p.o.sessionIn)
	if offer != nil && p.o.early {
		p.report.EarlyData.add(c, why)
	}
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if err := p.talk(c); err != nil {
		return err
	}
	p.report.noteLifetime(p.newest)
	return ctx.Err()
}

// handshakeError adds the flags that can help to the error of libssl.
func handshakeError(err error) error {
	var v *ssl.VerificationError
	if errors.As(err, &v) {
		return fmt.Errorf("handshake: %w (see --ca and --server-name)", bare(err))
	}
	return fmt.Errorf("handshake: %w", bare(err))
}

// talk ends a connection so that its tickets arrive: TLS 1.3 sends them after the handshake,
// and some servers send them after data. It fails if the server refuses us by an alert, as a
// TLS 1.3 server does that demands a certificate. Any other failure only shows in that no
// session arrives.
func (p *prober) talk(c *ssl.Conn) error {
	text := ""
	if p.o.send != nil {
		text = *p.o.send
	} else if p.needData || c.EarlyDataStatus() != ssl.EarlyDataNotSent {
		text = p.o.request(c.ConnectionState().NegotiatedProtocol)
	}
	if text != "" {
		c.SetWriteDeadline(time.Now().Add(patience))
		if c.EarlyDataStatus() != ssl.EarlyDataAccepted { // else the server has it
			io.WriteString(c, text)
		}
		if err := p.read(c, 0); err != nil {
			return err
		}
	}
	// close_notify and FIN first: the server answers with its own, after all tickets.
	c.CloseWrite()
	return p.read(c, grace)
}

// read reads until the end, but at most for patience or, once a session has arrived, for more.
// An alert is an error.
func (p *prober) read(c *ssl.Conn, more time.Duration) error {
	hurry := time.Now().Add(more)
	c.SetReadDeadline(time.Now().Add(patience))
	if p.newest != nil {
		c.SetReadDeadline(hurry)
	}
	p.hurry = &hurry
	_, err := io.Copy(io.Discard, c)
	p.hurry = nil
	var e *ssl.Error
	if errors.As(err, &e) {
		if _, ok := e.Alert(); ok {
			return fmt.Errorf("after the handshake: %w", bare(e))
		}
	}
	return nil
}
