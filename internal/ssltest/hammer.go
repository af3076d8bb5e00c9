package ssltest

import (
	"context"
	"sync"
	"testing"

	"sessl/ssl"
)

// ConnMethods can be called at any moment, by any goroutine. Methods that move bytes have tests of
// their own: they are nil.
var ConnMethods = map[string]func(*ssl.Conn){
	"Close": nil, "CloseWrite": nil, "Handshake": nil, "HandshakeContext": nil, "IssueTicket": nil,
	"KeyUpdate": nil,
	"Read":      nil, "ReadEarlyData": nil, "ReadFrom": nil, "RequestClientCertificate": nil,
	"Write": nil, "WriteEarlyData": nil, "WriteTo": nil,

	"SetDeadline": nil, "SetReadDeadline": nil, "SetWriteDeadline": nil, // no C
	"SetSession": nil, "SetSharedSession": nil, "UseSessionCache": nil, // before the handshake
	"SetMaxEarlyData": nil, "SetNextProtos": nil, "SetNotResumable": nil, "SetNumTickets": nil,
	"SetPSKIdentityHint":  nil,
	"SetSessionIDContext": nil, "SetSkipEarlyData": nil,

	"ConnectionState": func(c *ssl.Conn) { c.ConnectionState() },
	"EarlyDataStatus": func(c *ssl.Conn) { c.EarlyDataStatus() },
	"EarlyDataTerms":  nil, // waits for the handshake
	"ExportEarlyKeyingMaterial": func(c *ssl.Conn) {
		c.ExportEarlyKeyingMaterial("label", []byte("context"), 32)
	},
	"ExportKeyingMaterial": func(c *ssl.Conn) { c.ExportKeyingMaterial("label", []byte("context"), 32) },
	"GoString":             func(c *ssl.Conn) { _ = c.GoString() },
	"HandshakeComplete":    func(c *ssl.Conn) { c.HandshakeComplete() },
	"LocalAddr":            func(c *ssl.Conn) { c.LocalAddr() },
	"LogValue":             func(c *ssl.Conn) { c.LogValue() },
	"MaxEarlyData":         func(c *ssl.Conn) { c.MaxEarlyData() },
	"NetConn":              func(c *ssl.Conn) { c.NetConn() },
	"NumTickets":           func(c *ssl.Conn) { c.NumTickets() },
	"Pending":              func(c *ssl.Conn) { c.Pending() },
	"RemoteAddr":           func(c *ssl.Conn) { c.RemoteAddr() },
	"ReuseState":           func(c *ssl.Conn) { c.ReuseState() },
	"Session": func(c *ssl.Conn) {
		if s, err := c.Session(); err == nil {
			s.Close()
		}
	},
	"SessionOffered": func(c *ssl.Conn) { c.SessionOffered() },
	"SessionReused":  func(c *ssl.Conn) { c.SessionReused() },
	"SetTicketData":  func(c *ssl.Conn) { c.SetTicketData([]byte("data")) },
	"SkipEarlyData":  func(c *ssl.Conn) { c.SkipEarlyData() },
	"String":         func(c *ssl.Conn) { _ = c.String() },
	"WithSession": func(c *ssl.Conn) {
		c.WithSession(func(s *ssl.BorrowedSession) error { _, err := s.MarshalBinary(); return err })
	},
}

// Hammer calls all of them from another goroutine until stop is called.
func Hammer(t testing.TB, c *ssl.Conn) (stop func()) {
	t.Helper()
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	begun := make(chan struct{})
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			for _, call := range ConnMethods {
				if call != nil {
					call(c)
				}
			}
			if i == 0 {
				close(begun)
			}
		}
	})
	<-begun
	return func() {
		cancel()
		wg.Wait()
	}
}
