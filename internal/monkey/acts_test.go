package monkey_test

import (
	"bytes"
	"context"
	"io"
	"time"

	"sessl/ssl"
)

// prepare decides what a client offers.
func (z *zoo) prepare(r chance, c *ssl.Conn, server string) {
	switch r.IntN(8) {
	case 0:
		c.UseSessionCache(ssl.NoSessionCache{}, "")
	case 1:
		z.sessions.with(r, func(s *ssl.Session) { c.SetSession(s) })
	case 2:
		c.UseSessionCache(z.mine, "anywhere")
	default:
		c.UseSessionCache(z.mine, server)
	}
}

var (
	letter = bytes.Repeat([]byte("monkey "), 4000)
	label  = "EXPORTER-monkey"
)

// acts are the calls that a goroutine may make on a connection.
var acts = []func(z *zoo, r chance, c *ssl.Conn){
	func(_ *zoo, r chance, c *ssl.Conn) { c.Read(make([]byte, r.IntN(20000))) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.Read(make([]byte, 1+r.IntN(100))) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.Write(letter[:r.IntN(len(letter))]) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.Write(letter[:r.IntN(100)]) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.ReadFrom(bytes.NewReader(letter[:r.IntN(len(letter))])) },
	func(_ *zoo, _ chance, c *ssl.Conn) { c.WriteTo(io.Discard) },
	func(_ *zoo, _ chance, c *ssl.Conn) { c.Handshake() },
	func(_ *zoo, r chance, c *ssl.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), r.soon())
		defer cancel()
		c.HandshakeContext(ctx)
	},
	func(_ *zoo, r chance, c *ssl.Conn) { c.SetDeadline(time.Now().Add(r.soon())) },
	func(_ *zoo, _ chance, c *ssl.Conn) { c.SetDeadline(time.Now().Add(20 * time.Millisecond)) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.SetReadDeadline(time.Now().Add(r.soon())) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.SetWriteDeadline(time.Now().Add(r.soon())) },
	func(_ *zoo, r chance, c *ssl.Conn) {
		if r.oneIn(4) {
			c.CloseWrite()
		}
	},
	func(_ *zoo, r chance, c *ssl.Conn) {
		if r.oneIn(8) {
			c.Close()
		}
	},
	func(_ *zoo, r chance, c *ssl.Conn) { c.KeyUpdate(r.oneIn(2)) },
	func(_ *zoo, _ chance, c *ssl.Conn) { c.IssueTicket() },
	func(z *zoo, r chance, c *ssl.Conn) { z.ask(c, r.soon()) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.WriteEarlyData(letter[:r.IntN(300)]) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.ReadEarlyData(make([]byte, r.IntN(300))) },
	func(_ *zoo, _ chance, c *ssl.Conn) { c.EarlyDataTerms() },
	func(_ *zoo, _ chance, c *ssl.Conn) { c.ExportKeyingMaterial(label, nil, 32) },
	func(_ *zoo, _ chance, c *ssl.Conn) { c.ExportEarlyKeyingMaterial(label, nil, 32) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.SetMaxEarlyData(uint32(r.IntN(600))) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.SetSkipEarlyData(uint32(r.IntN(60000))) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.SetNumTickets(r.IntN(5)) },
	func(_ *zoo, r chance, c *ssl.Conn) { c.SetTicketData(letter[:r.IntN(200)]) },
	func(_ *zoo, r chance, c *ssl.Conn) {
		if r.oneIn(10) {
			c.SetNotResumable()
		}
	},
	func(z *zoo, r chance, c *ssl.Conn) {
		if s, err := c.Session(); err == nil {
			z.sessions.put(r, s)
		}
	},
	func(_ *zoo, _ chance, c *ssl.Conn) {
		c.WithSession(func(b *ssl.BorrowedSession) error { _, err := b.MarshalBinary(); return err })
	},
	func(z *zoo, r chance, c *ssl.Conn) { z.sessions.with(r, func(s *ssl.Session) { c.SetSession(s) }) },
	func(z *zoo, r chance, c *ssl.Conn) {
		z.sessions.with(r, func(s *ssl.Session) { c.SetSharedSession(s) })
	},
	func(z *zoo, r chance, c *ssl.Conn) { c.UseSessionCache(z.mine, "monkey") },
	func(_ *zoo, _ chance, c *ssl.Conn) {
		c.ConnectionState().TLS()
		c.SessionReused()
		c.ReuseState()
		c.SessionOffered()
		c.EarlyDataStatus()
		c.MaxEarlyData()
		c.SkipEarlyData()
		c.NumTickets()
		c.Pending()
		_ = c.String()
		c.LogValue()
	},
	func(z *zoo, r chance, _ *ssl.Conn) {
		switch r.IntN(8) {
		case 0:
			if next, err := ssl.NewTicketKey(); err == nil {
				z.keys.Rotate(next)
			}
		case 1:
			z.cache.Flush(time.Now())
		case 2:
			if r.oneIn(50) {
				z.mine.Flush()
			}
		case 3:
			pick(r, z.servers).ctx.FlushSessions(time.Now())
		case 4:
			z.sessions.with(r, func(s *ssl.Session) { pick(r, z.servers).ctx.RemoveSession(s) })
		case 5:
			z.sessions.with(r, func(s *ssl.Session) { pick(r, z.servers).ctx.AddSession(s) })
		default:
			k := pick(r, z.servers)
			k.ctx.Stats()
			k.ctx.LastFailures()
		}
	},
	func(z *zoo, r chance, _ *ssl.Conn) {
		z.sessions.with(r, func(s *ssl.Session) {
			if b, err := s.MarshalBinary(); err == nil {
				if again, err := ssl.ParseSession(b); err == nil {
					z.sessions.put(r, again)
				}
			}
		})
	},
}

// ask asks a client for its certificate.
func (z *zoo) ask(c *ssl.Conn, limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if c.RequestClientCertificate(ctx) == nil {
		z.tally.later.Add(1)
	}
}

func (z *zoo) act(r chance, c *ssl.Conn) { pick(r, acts)(z, r, c) }
