package httpssl_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The page shows contexts, keys without their secrets, and failures; also a closed context.
func TestDebugHandler(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.KeyPair(t, "server-ecdsa")
	key, err := ssl.NewTicketKey()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := key.SecretBytes()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ssl.NewTicketKeysFrom(ssl.TicketKeySet{Current: key})
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	server, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, TicketKeys: keys})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := ssl.NewClientCtx(&ssl.Config{ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	failOnce(t, server)

	w := httptest.NewRecorder()
	h := httpssl.DebugHandler(map[string]*ssl.Ctx{"front": server, "back": client})
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	var page struct {
		Contexts map[string]struct {
			Server            bool
			ServerName, Error string
			Stats             *ssl.Stats
			TicketKeys        []struct{ Name, Use, Age string }
			LastFailures      []struct{ Peer, Error string }
		}
		Handles ssl.Counters
	}
	body := w.Body.String()
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err, body)
	}
	front, back := page.Contexts["front"], page.Contexts["back"]
	if !front.Server || front.Stats == nil || front.Stats.Failed != 1 || len(front.LastFailures) != 1 ||
		front.LastFailures[0].Error == "" {
		t.Errorf("front: %+v", front)
	}
	if len(front.TicketKeys) != 1 || front.TicketKeys[0].Name != key.Name() ||
		front.TicketKeys[0].Use != "current" || front.TicketKeys[0].Age == "" {
		t.Errorf("keys: %+v", front.TicketKeys)
	}
	if back.Server || back.ServerName != "localhost" || back.Stats != nil ||
		!strings.Contains(back.Error, "closed") {
		t.Errorf("back: %+v", back)
	}
	if page.Handles.Ctxs.Live == 0 {
		t.Errorf("handles: %+v", page.Handles)
	}
	noSecret(t, body, secret)

	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Error(w.Code)
	}
}

// deniedStore is a store that does not accept the password.
type deniedStore struct{ ssl.SessionStore }

func (deniedStore) Remove(context.Context, []byte) error { return errors.New("NOAUTH of the store") }

// The page shows the errors of stores and guards as they are, with counters and times.
func TestDebugHandlerShowsErrors(t *testing.T) {
	leakcheck.Test(t)
	cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{Store: deniedStore{},
		SealKeys: ssltest.NewSealKeys(t, 1)})
	if err := cache.RemoveContext(t.Context(), []byte("id")); err == nil {
		t.Fatal("removed")
	}
	cached := ssltest.ServerConfig(t)
	cached.SessionCache = cache
	srv, cli := ssltest.EarlyConfigs(t)
	guard := ssltest.NewSpyGuard(t)
	denied := errors.New("NOAUTH of the guard")
	guard.OnClaim = func(context.Context, []byte) (bool, error) { return false, denied }
	srv.ReplayGuard, srv.ReplayGuardTimeout = guard, ssltest.Timeout
	set := ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)}
	early := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, set))
	cctx := ssltest.NewClientCtx(t, cli)
	ssltest.EarlyPair(t, cctx, early, ssltest.EarlySession(t, cctx, early)).WantEarly(t, ssl.EarlyDataRejected)

	w := httptest.NewRecorder()
	httpssl.DebugHandler(map[string]*ssl.Ctx{"cached": ssltest.NewServerCtx(t, cached), "early": early}).
		ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	type past struct {
		Time      time.Time
		Op, Error string
	}
	var page struct {
		Contexts map[string]struct {
			Stats struct {
				EarlyData ssl.EarlyDataStats
				Claims    ssl.Histogram
			}
			StoreErrors, GuardErrors []past
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	one := page.Contexts["cached"]
	if len(one.StoreErrors) != 1 || one.StoreErrors[0].Op != "Remove" || one.StoreErrors[0].Time.IsZero() ||
		one.StoreErrors[0].Error != "NOAUTH of the store" || one.GuardErrors != nil {
		t.Errorf("cached: %+v", one)
	}
	two := page.Contexts["early"]
	if len(two.GuardErrors) != 1 || two.GuardErrors[0].Op != "Claim" ||
		two.GuardErrors[0].Error != "NOAUTH of the guard" || two.StoreErrors != nil ||
		two.Stats.EarlyData.GuardFailures.Errors != 1 || two.Stats.Claims.Count != 1 {
		t.Errorf("early: %+v", two)
	}
}

// failOnce makes one handshake of ctx fail.
func failOnce(t *testing.T, ctx *ssl.Ctx) {
	t.Helper()
	a, b := net.Pipe()
	conn, err := ssl.Server(b, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a.Close()
	if conn.Handshake() == nil {
		t.Fatal("a handshake without a peer")
	}
}

// noSecret looks for the parts of a ticket key after its name, in the forms that JSON has for
// bytes.
func noSecret(t *testing.T, body string, key []byte) {
	t.Helper()
	for _, part := range [][]byte{key[16:48], key[48:]} {
		b, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(body, string(part)) || strings.Contains(body, strings.Trim(string(b), `"=`)) {
			t.Error("a secret is in the page")
		}
	}
}
