package main

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"sessl/ssl"
)

// connect makes two connections to addr. The second resumes the session of the first.
func connect(w io.Writer, addr string, roots *ssl.CertPool) error {
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots})
	if err != nil {
		return err
	}
	defer ctx.Close() // and with it the cache of sessions
	for range 2 {
		if err := ask(w, addr, ctx); err != nil {
			return err
		}
	}
	return nil
}

// ask sends a request that a web server answers too, and reads one line.
func ask(w io.Writer, addr string, ctx *ssl.Ctx) error {
	conn, err := ssl.Dial("tcp", addr, ctx) // offers a session that the cache has for addr
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n') // TLS 1.3 sends new sessions before it
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s, %s, answer %q\n",
		ssl.VersionName(conn.ConnectionState().Version), conn.ReuseState(), line)
	return nil
}
