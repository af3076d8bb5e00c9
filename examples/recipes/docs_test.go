package recipes

import (
	"context"
	"crypto/sha1"
	"log"
	"net/http"
	"strings"
	"time"

	"sessl/httpssl"
	"sessl/ssl"
)

// The code of docs/resumption.md and README.md that is no Example elsewhere. It is compiled, and not run.

var (
	ctx   *ssl.Ctx
	cfg   *ssl.Config
	cert  ssl.Certificate
	certs []ssl.Certificate
	ctxs  map[string]*ssl.Ctx
	mux   *http.ServeMux
	keys  *ssl.TicketKeys
	cache *ssl.ServerSessionCache
	addr  string
	docs  string
)

func Example_netHTTP() {
	ctx, err := httpssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	srv := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	log.Print(httpssl.ListenAndServe(srv, ctx))
}

func Example_onTheServer() {
	cfg = &ssl.Config{
		TicketKeys:   keys,  // shared by servers or machines, and replaced in use: LoadTicketKeys, NewTicketKeys
		SessionCache: cache, // or sessions that stay on the server: NewServerSessionCache
	}
}

func Example_sessionGroup() {
	d := ssl.Dialer{Ctx: ctx, SessionGroup: addr} // as many entries as addresses
	_ = d
}

func Example_ticketKeyFiles() {
	tickets, err := ssl.LoadTicketKeys("/etc/tls/ticket.key", "/etc/tls/ticket.key.next",
		"/etc/tls/ticket.key.old")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: certs, TicketKeys: tickets,
		SessionIDContext: []byte("shop")})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	tickets.OnUnknownKey(func(ctx context.Context, name string) error { return tickets.Reload() }, 0)
}

func Example_nginxContext() {
	leaf := sha1.Sum(cert.Leaf().Raw)
	id := sha1.Sum(append([]byte("HTTP"), leaf[:]...))
	cfg.SessionIDContext = id[:] // nginx's, for a server with this one certificate
}

func Example_earlyRequests() {
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: ctx}, nil) // a Ctx with NextProtos "http/1.1"
	if err != nil {
		log.Fatal(err)
	}
	tr.EarlyData = func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/catalogue/") }
}

func Example_debugPage() {
	mux.Handle("/debug/tls", httpssl.NewDebugHandler(ctxs, &httpssl.DebugOptions{DocsURL: docs}))
}
