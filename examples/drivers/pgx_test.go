package drivers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// startPostgres starts a server that accepts passwords by SCRAM. It returns a URL for a user.
func startPostgres(t *testing.T) (p *program, url string) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		t.Fatal("no PostgreSQL: run `make deps-drivers` in the root of the tree")
	}
	bin := filepath.Dir(found[len(found)-1])
	p = newProgram(t, true)
	data := p.file("data")
	p.run(filepath.Join(bin, "initdb"), "-D", data, "-A", "scram-sha-256", "-U", "gopher", "-N",
		"--no-instructions", "--pwfile", p.write("password", "secret\n"))
	settings := []string{"-D", data}
	for _, s := range []string{"port=" + p.port(), "listen_addresses=127.0.0.1", "unix_socket_directories=",
		"ssl=on", "ssl_cert_file=" + p.file("server-ecdsa.pem"), "ssl_key_file=" + p.file("server-ecdsa.key"),
		"fsync=off", "shared_buffers=1MB"} {
		settings = append(settings, "-c", s)
	}
	p.start(syscall.SIGINT, filepath.Join(bin, "postgres"), settings...)
	p.await(1, "ready to accept connections")
	return p, fmt.Sprintf("postgres://gopher:secret@%s/postgres?sslmode=verify-full", p.addr)
}

func newPool(t *testing.T, client *ssl.Ctx, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxPool(t.Context(), client, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// open acquires n connections of a pool at once, and returns them and what became of resumption. The
// test's end gives them back.
func open(t *testing.T, pool *pgxpool.Pool, n int) (conns []*pgx.Conn, states []ssl.ReuseState) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range n {
		c, err := pool.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Release)
		conns = append(conns, c.Conn())
		states = append(states, c.Conn().PgConn().Conn().(*ssl.Conn).ReuseState())
	}
	return conns, states
}

func TestPgx(t *testing.T) {
	leakcheck.Test(t)
	p, url := startPostgres(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	// The server says that it speaks TLS, and gives no sessions. A request to cancel ends a query, by a
	// connection of its own, and leaves the query's usable.
	t.Run("server", func(t *testing.T) {
		client := clientCtx(t, "localhost")
		conns, states := open(t, newPool(t, client, url), 3)
		none := []ssl.ReuseState{ssl.ReuseNoSession, ssl.ReuseNoSession, ssl.ReuseNoSession}
		if !slices.Equal(states, none) {
			t.Errorf("%v, want %v", states, none)
		}
		var n int
		err := conns[1].QueryRow(ctx, "select count(*) from pg_stat_ssl where ssl and version = 'TLSv1.3'").Scan(&n)
		if n != 3 || err != nil {
			t.Errorf("the server has %d connections with TLS, %v, want 3", n, err)
		}
		slow := make(chan error, 1)
		go func() {
			_, err := conns[0].Exec(ctx, "select pg_sleep(60)")
			slow <- err
		}()
		awaitSleep(t, ctx, conns[1])
		if err := conns[0].PgConn().CancelRequest(ctx); err != nil {
			t.Error(err)
		}
		var canceled *pgconn.PgError
		if err := <-slow; !errors.As(err, &canceled) || canceled.Code != "57014" {
			t.Errorf("%v, want query_canceled", err)
		}
		if err := conns[0].Ping(ctx); err != nil {
			t.Error(err)
		}
		if s, err := client.Stats(); err != nil || s.Full.Count != 4 {
			t.Errorf("%d handshakes, %v, want three, and one to cancel", s.Full.Count, err)
		}
	})

	// What ends TLS before the server may give sessions, as poolers and load balancers do.
	t.Run("front", func(t *testing.T) {
		client := clientCtx(t, "localhost")
		open(t, newPool(t, client, strings.Replace(url, p.addr, startFront(t, p.addr), 1)), 3)
		wantResumed(t, client, 3)
	})

	// pgx does not log in where it must bind the password to the connection.
	t.Run("binding", func(t *testing.T) {
		pool := newPool(t, clientCtx(t, "localhost"), url+"&channel_binding=require")
		if err := pool.Ping(ctx); err == nil || !strings.Contains(err.Error(), "channel binding") {
			t.Errorf("%v, want pgx to miss the channel binding", err)
		}
	})
}

// awaitSleep returns when the server has a query that sleeps.
func awaitSleep(t *testing.T, ctx context.Context, c *pgx.Conn) {
	t.Helper()
	for n := 0; n == 0; {
		err := c.QueryRow(ctx, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// startFront ends the TLS of PostgreSQL's clients, and passes on what is in it.
func startFront(t *testing.T, backend string) (addr string) {
	t.Helper()
	cert := ssltest.KeyPair(t, "server-ecdsa")
	ctx := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var busy sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		busy.Wait()
	})
	busy.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			busy.Go(func() {
				defer raw.Close()
				if _, err := io.ReadFull(raw, make([]byte, 8)); err != nil { // the SSLRequest
					return
				}
				io.WriteString(raw, "S")
				client, err := ssl.Server(raw, ctx)
				if err != nil {
					return
				}
				defer client.Close()
				server, err := net.Dial("tcp", backend)
				if err != nil {
					return
				}
				busy.Go(func() {
					io.Copy(client, server)
					client.Close()
				})
				io.Copy(server, client)
				server.Close()
			})
		}
	})
	return l.Addr().String()
}
