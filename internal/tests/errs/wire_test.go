package errs_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// eachSide runs f for both sides and versions.
func eachSide(t *testing.T, f func(t *testing.T, a attempt)) {
	own := issue(t, issue(t, nil, "root", authority), "x", leaf)
	for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for _, server := range []bool{false, true} {
			t.Run(ssl.VersionName(version)+map[bool]string{false: " client", true: " server"}[server],
				func(t *testing.T) {
					leakcheck.Test(t)
					f(t, attempt{version: version, server: server, own: own, name: "localhost"})
				})
		}
	}
}

// What is no TLS gives the first bytes, and the connection, to which nothing was sent.
func TestPlainPeerIsThatOfCryptoTLS(t *testing.T) {
	for what, text := range map[string]string{
		"HTTP answer": "HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP request": "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"SMTP greeting": "220 mail.test ESMTP\r\n", "SSH": "SSH-2.0-x\r\n", "POP3": "+OK ready\r\n",
		"data first": "\x17\x03\x03\x00\x01x", "old version": "\x16\x13\x03\x00\x04abcd",
	} {
		t.Run(what, func(t *testing.T) {
			eachSide(t, func(t *testing.T, a attempt) {
				if a.server && what == "data first" {
					return // a record: a server lets libssl refuse it, with an alert
				}
				var heard [2][]byte
				n := 0
				std, ours := a.each(t, side.Handshake, func(conn net.Conn) {
					io.WriteString(conn, text)
					conn.(interface{ CloseWrite() error }).CloseWrite()
					heard[n], _ = io.ReadAll(conn)
					n++
				})
				if got := found(std); got != "header " {
					t.Errorf("crypto/tls has %qin %v", got, std)
				}
				compare(t, std, ours)
				if a.server && (len(heard[0]) > 0 || len(heard[1]) > 0) {
					t.Errorf("the server has answered %x and %x", heard[0], heard[1])
				}
				if !strings.Contains(ours.Error(), "does not speak TLS") {
					t.Errorf("%v", ours)
				}
			})
		})
	}
}

// A client that refuses the server says so by an alert.
func TestAlertOfAClientIsThatOfCryptoTLS(t *testing.T) {
	eachSide(t, func(t *testing.T, a attempt) {
		if !a.server {
			return
		}
		std, ours := a.each(t, side.Handshake, func(conn net.Conn) {
			tls.Client(conn, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}).Handshake()
			io.Copy(io.Discard, conn)
		})
		var told tls.AlertError
		if got := found(std); got != "op " || !errors.As(ours, &told) || told != ssltest.AlertBadCertificate {
			t.Errorf("crypto/tls has %qin %v; ours: %v", got, std, ours)
		}
		compare(t, std, ours)
	})
}

// Every alert is an error of the peer's, by its number. A server takes none before a ClientHello.
func TestAlertsAreThoseOfCryptoTLS(t *testing.T) {
	eachSide(t, func(t *testing.T, a attempt) {
		if a.server {
			return
		}
		for _, alert := range []int{10, 20, 22, 40, 42, 45, 48, 49, 50, 51, 70, 71, 80, 86, 109, 112, 113, 115, 116,
			120, 255} {
			std, ours := a.each(t, side.Handshake, func(conn net.Conn) {
				conn.Write([]byte{21, 3, 3, 0, 2, 2, byte(alert)})
				io.Copy(io.Discard, conn)
			})
			compare(t, std, ours)
			var told tls.AlertError
			var op *net.OpError
			var e *ssl.Error
			if !errors.As(ours, &told) || int(told) != alert || !errors.As(ours, &op) || op.Op != "remote error" {
				t.Fatalf("alert %d: %v", alert, ours)
			}
			if !errors.As(ours, &e) {
				t.Fatalf("alert %d: %v", alert, ours)
			}
			if n, ok := e.Alert(); !ok || int(n) != alert || len(e.Entries) == 0 {
				t.Errorf("alert %d: %+v", alert, e)
			}
		}
	})
}

// A record that was changed on the way.
func TestChangedRecordIsThatOfCryptoTLS(t *testing.T) {
	eachSide(t, func(t *testing.T, a attempt) {
		std, ours := a.each(t, readOne, func(conn net.Conn) {
			c := stdPeer(conn, !a.server, a)
			if c.Handshake() == nil {
				conn.Write(append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...))
			}
			io.Copy(io.Discard, conn)
		})
		if got := found(std); got != "op " {
			t.Errorf("crypto/tls has %qin %v", got, std)
		}
		compare(t, std, ours)
		var told tls.AlertError
		if errors.As(ours, &told) {
			t.Errorf("an alert of the peer's in %v", ours)
		}
	})
}

func readOne(s side) error {
	_, err := s.Read(make([]byte, 1))
	return err
}

// stdPeer is an end of crypto/tls that accepts everything.
func stdPeer(conn net.Conn, server bool, a attempt) *tls.Conn {
	cfg := &tls.Config{MinVersion: a.version, MaxVersion: a.version, InsecureSkipVerify: true}
	if !server {
		return tls.Client(conn, cfg)
	}
	cfg.Certificates = []tls.Certificate{a.own.std()}
	return tls.Server(conn, cfg)
}

// The network's errors have the operation and the addresses, and no word of how they came about.
func TestNetErrorsAreThoseOfCryptoTLS(t *testing.T) {
	reset := func(conn net.Conn) {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	eachSide(t, func(t *testing.T, a attempt) {
		shaken := func(then func(net.Conn)) func(net.Conn) {
			return func(conn net.Conn) {
				if stdPeer(conn, !a.server, a).Handshake() == nil {
					then(conn)
				}
				io.Copy(io.Discard, conn)
			}
		}
		for what, c := range map[string]struct {
			call func(side) error
			peer func(net.Conn)
		}{
			"reset in a handshake": {side.Handshake, func(conn net.Conn) {
				io.ReadFull(conn, make([]byte, map[bool]int{false: 5}[a.server]))
				reset(conn)
			}},
			"reset later": {readOne, shaken(reset)},
			"deadline in a handshake": {func(s side) error {
				s.SetReadDeadline(time.Now().Add(time.Millisecond))
				return s.Handshake()
			}, func(conn net.Conn) { io.Copy(io.Discard, conn) }},
			"deadline that has passed": {func(s side) error {
				s.SetReadDeadline(time.Unix(1, 0))
				return s.Handshake()
			}, func(conn net.Conn) { io.Copy(io.Discard, conn) }},
			"deadline later": {func(s side) error {
				if err := s.Handshake(); err != nil {
					return err
				}
				s.SetReadDeadline(time.Now().Add(time.Millisecond))
				return readOne(s)
			}, shaken(func(net.Conn) {})},
			"deadline of a Write": {func(s side) error {
				if err := s.Handshake(); err != nil {
					return err
				}
				s.SetDeadline(time.Unix(1, 0))
				_, err := s.Write([]byte("x"))
				return err
			}, shaken(func(net.Conn) {})},
		} {
			if a.server && what == "reset later" {
				continue // the tickets of a server may have met the reset first: then there is an end
			}
			std, ours := a.each(t, c.call, c.peer)
			if got := found(std); got != "op " {
				t.Errorf("%s: crypto/tls has %qin %v", what, got, std)
			}
			compare(t, std, ours)
			if strings.Contains(ours.Error(), "raw-") {
				t.Errorf("%s: %v", what, ours)
			}
			if strings.HasPrefix(what, "deadline") && !errors.Is(ours, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", what, ours)
			}
		}
	})
}

// Who dials gets package net's errors.
func TestDialErrorsAreThoseOfCryptoTLS(t *testing.T) {
	leakcheck.Test(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx := ssltest.NewClientCtx(t, &ssl.Config{InsecureSkipVerify: true})
	refused := l.Addr().String()
	l.Close()
	_, std := tls.Dial("tcp", refused, &tls.Config{InsecureSkipVerify: true})
	_, ours := ssl.Dial("tcp", refused, ctx)
	if got := found(std); got != "op " {
		t.Errorf("crypto/tls has %qin %v", got, std)
	}
	compare(t, std, ours)
}
