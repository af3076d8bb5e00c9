package main

import (
	"io"
	"net"
	"sync"
	"time"

	"sessl/ssl"
)

// serve sends back what its clients send, until the listener is closed.
func serve(l net.Listener, cert ssl.Certificate) error {
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		return err
	}
	defer ctx.Close()
	var busy sync.WaitGroup
	defer busy.Wait()
	l = ssl.NewListener(l, ctx)
	for {
		conn, err := l.Accept() // does not wait for the handshake
		if err != nil {
			return err
		}
		busy.Go(func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(time.Minute))
			io.Copy(conn, conn) // the first Read does the handshake
		})
	}
}
