package ssl_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// exampleServer echoes on loopback; stop ends it.
func exampleServer() (addr string, stop func()) {
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.Copy(c, c)
			c.Close()
		}
	}()
	return l.Addr().String(), func() {
		l.Close()
		<-done
		ctx.Close()
	}
}

// The second connection resumes the session of the first.
func Example() {
	addr, stop := exampleServer()
	defer stop()

	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close() // and with it the cache of sessions
	for range 2 {
		conn, err := ssl.Dial("tcp", addr, ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(conn, "hello")
		io.ReadFull(conn, make([]byte, 5)) // TLS 1.3 tickets arrive with data
		fmt.Println(conn.ReuseState())
		conn.Close()
	}
	// Output:
	// not offered: no session
	// resumed by ticket
}

// A session by hand: kept by the application, and offered to the next connection.
func ExampleDialSession() {
	addr, stop := exampleServer()
	defer stop()
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	var session *ssl.Session
	ctx, err := ssl.NewClientCtx(&ssl.Config{
		RootCAs:      roots,
		OnNewSession: func(_ *ssl.Conn, s *ssl.Session) { session.Close(); session = s },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	for range 2 {
		conn, err := ssl.DialSession("tcp", addr, ctx, session) // nil: a full handshake
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(conn, "hello")
		io.ReadFull(conn, make([]byte, 5)) // TLS 1.3 tickets arrive with data
		fmt.Println("reused:", conn.SessionReused())
		conn.Close()
	}
	session.Close()
	// Output:
	// reused: false
	// reused: true
}

// A cache in a file, for a program that lives for one connection.
func ExampleLRUClientSessionCache_Save() {
	addr, stop := exampleServer()
	defer stop()
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	key := make([]byte, ssl.SealKeyLen) // kept from run to run
	rand.Read(key)
	keys, err := ssl.NewSealKeys(key)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	dir, err := os.MkdirTemp("", "sessions")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "cache")
	for range 2 { // stands for two runs of the program
		ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots})
		if err != nil {
			log.Fatal(err)
		}
		cache := ssl.NewClientSessionCache(100)
		if _, err := cache.Load(file, keys); err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Print(err) // and go on without
		}
		d := &ssl.Dialer{Ctx: ctx, Sessions: cache}
		conn, err := d.Dial("tcp", addr)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(conn, "hello")
		io.ReadFull(conn, make([]byte, 5))
		fmt.Println(conn.ReuseState())
		conn.Close()
		if err := cache.Save(file, keys); err != nil {
			log.Print(err)
		}
		cache.Close()
		ctx.Close()
	}
	// Output:
	// not offered: no session
	// resumed by ticket
}

// One cache for several Ctxs, of a size that the application chooses.
func ExampleNewClientSessionCache() {
	addr, stop := exampleServer()
	defer stop()
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	cache := ssl.NewClientSessionCache(10_000)
	defer cache.Close()
	for range 2 {
		ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, MaxVersion: ssl.VersionTLS12})
		if err != nil {
			log.Fatal(err)
		}
		d := &ssl.Dialer{Ctx: ctx, Sessions: cache}
		conn, err := d.Dial("tcp", addr)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(conn.ReuseState())
		conn.Close()
		ctx.Close()
	}
	// Output:
	// not offered: no session
	// resumed by ticket
}

// A Dialer adds a context and limits of time, which cover the handshake.
func ExampleDialer() {
	addr, stop := exampleServer()
	defer stop()
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	d := &ssl.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Ctx: ctx}
	conn, err := d.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(ssl.VersionName(conn.ConnectionState().Version))
	// Output: TLS 1.3
}

func ExampleConn_WithSession() {
	addr, stop := exampleServer()
	defer stop()
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, MaxVersion: ssl.VersionTLS12})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	conn, err := ssl.Dial("tcp", addr, ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	err = conn.WithSession(func(s *ssl.BorrowedSession) error {
		v, err := s.ProtocolVersion()
		fmt.Println(ssl.VersionName(v))
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: TLS 1.2
}

func ExampleSession_MarshalPEM() {
	addr, stop := exampleServer()
	defer stop()
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, MaxVersion: ssl.VersionTLS12})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	conn, err := ssl.Dial("tcp", addr, ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	s, err := conn.Session()
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	pem, err := s.MarshalPEM() // store it like a private key
	if err != nil {
		log.Fatal(err)
	}
	first, _, _ := bytes.Cut(pem, []byte("\n"))
	fmt.Printf("%s\n", first)
	// Output: -----BEGIN SSL SESSION PARAMETERS-----
}
