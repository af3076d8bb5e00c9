package peers

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/rpc"
	"os"
	"sync/atomic"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// machineVar is in the environment of a process that is a machine of a fleet: its plan.
const machineVar = "SESSL_PEERS_MACHINE"

// A plan is what a machine is told. Secrets are in the files that it names.
type plan struct {
	Number                    byte
	Keys, Secret, Seal, Store string // files of keys, and the store's address; "" is without
	PreferSessionCache        bool
}

// A tally is what a machine has counted since it began.
type tally struct {
	All, Resumed int
	Elsewhere    int // resumed sessions that other machines have made
	Failed       []string
}

// machineRun is a process that serves its plan until its input ends, and then has nothing left.
type machineRun struct{ plan string }

func (r machineRun) Run() int {
	var p plan
	err := json.Unmarshal([]byte(r.plan), &p)
	if err == nil {
		err = p.serve()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (p plan) serve() error {
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		return err
	}
	cfg := &ssl.Config{Certificates: []ssl.Certificate{cert}, PreferSessionCache: p.PreferSessionCache}
	if cfg.TicketKeys, err = p.ticketKeys(); err != nil {
		return err
	}
	if cfg.TicketKeys != nil {
		defer cfg.TicketKeys.Close()
	}
	if p.Store == "" {
		return p.serveWith(cfg)
	}
	seal, err := ssl.LoadSealKeys(p.Seal)
	if err != nil {
		return err
	}
	defer seal.Close()
	client, err := rpc.Dial("tcp", p.Store)
	if err != nil {
		return err
	}
	defer client.Close()
	cfg.SessionCache, err = ssl.NewServerSessionCache(&ssl.ServerCacheOptions{Store: socketStore{client},
		SealKeys: seal, WriteThrough: patience, WriteTimeout: patience, LookupTimeout: patience})
	if err != nil {
		return err
	}
	defer cfg.SessionCache.Close()
	return p.serveWith(cfg)
}

func (p plan) ticketKeys() (*ssl.TicketKeys, error) {
	switch {
	case p.Keys != "":
		return ssl.LoadTicketKeys(p.Keys)
	case p.Secret != "":
		secret, err := os.ReadFile(p.Secret)
		if err != nil {
			return nil, err
		}
		return ssl.DeriveTicketKeys(secret, time.Hour, 0)
	}
	return nil, nil
}

// serveWith prints its address, and a tally for each line of input.
func (p plan) serveWith(cfg *ssl.Config) error {
	ctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		return err
	}
	defer ctx.Close()
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		return err
	}
	var elsewhere atomic.Int64
	srv := &http.Server{
		ReadTimeout: patience, WriteTimeout: patience,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			c.(*ssl.Conn).SetTicketData([]byte{p.Number}) // what lacks it counts as made here
			return context.WithValue(ctx, connKey{}, c)
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := r.Context().Value(connKey{}).(*ssl.Conn)
			if d := c.ConnectionState().TicketData; c.SessionReused() && len(d) == 1 && d[0] != p.Number {
				elsewhere.Add(1)
			}
			answer(w, r)
		}),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	out := json.NewEncoder(os.Stdout)
	err = out.Encode(l.Addr().String())
	for in := bufio.NewScanner(os.Stdin); err == nil && in.Scan(); {
		var now tally
		if now, err = tallyOf(ctx); err == nil {
			now.Elsewhere = int(elsewhere.Load())
			err = out.Encode(now)
		}
	}
	if err != nil {
		return err
	}
	return shutDown(srv, served)
}

func tallyOf(ctx *ssl.Ctx) (now tally, err error) {
	st, err := ctx.Stats()
	for state, n := range st.Handshakes {
		now.All += int(n)
		if state.Resumed() {
			now.Resumed += int(n)
		}
	}
	for _, f := range ctx.LastFailures() {
		now.Failed = append(now.Failed, fmt.Sprint(f))
	}
	return now, err
}

func shutDown(srv *http.Server, served chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return err
	}
	if err := <-served; err != http.ErrServerClosed {
		return err
	}
	return nil
}
