package ssl_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"sessl/ssl"
)

// A day after the client has shown its certificate it has to show it again, even if it has
// resumed every hour since.
func ExampleConfig_maxSessionAge() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	clients, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{
		Certificates:  []ssl.Certificate{cert},
		ClientAuth:    ssl.RequireAndVerifyClientCert,
		ClientCAs:     clients,
		MaxSessionAge: 24 * time.Hour,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()

	_, err = ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, MaxSessionAge: -1})
	fmt.Println(errors.Is(err, ssl.ErrConfig))
	// Output: true
}

// A connection that resumes a session knows who had logged in on the first one.
func ExampleConn_SetTicketData() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	addr, stop := serveUsers(ctx)
	defer stop()

	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	client, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for range 2 {
		c, err := ssl.Dial("tcp", addr, client)
		if err != nil {
			log.Fatal(err)
		}
		greeting, err := io.ReadAll(c)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", greeting)
		c.Close()
	}
	// Output:
	// who are you?
	// welcome back, alice
}

// serveUsers takes everybody for alice who comes the first time.
func serveUsers(ctx *ssl.Ctx) (addr string, stop func()) {
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c := conn.(*ssl.Conn)
			c.SetTicketData([]byte("alice")) // before the handshake, which issues the session
			if err := c.Handshake(); err != nil {
				log.Print(err)
			} else if user := c.ConnectionState().TicketData; user != nil {
				fmt.Fprintf(c, "welcome back, %s", user)
			} else {
				fmt.Fprint(c, "who are you?")
			}
			c.Close()
		}
	}()
	return l.Addr().String(), func() {
		l.Close()
		<-done
	}
}

// A client that has not logged in gets no session, so that its next connection is judged anew.
func ExampleConn_SetNotResumable() {
	serve := func(conn net.Conn, ctx *ssl.Ctx, known func(net.Addr) bool) error {
		c, err := ssl.Server(conn, ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		if !known(conn.RemoteAddr()) {
			if err := c.SetNotResumable(); err != nil {
				return err
			}
		}
		return c.Handshake()
	}
	_ = serve
}
