package httpssl_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// ask returns the answer of a handler to a request with these Accept headers.
func ask(t *testing.T, h http.Handler, target string, accept ...string) (*httptest.ResponseRecorder, string) {
	t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	r.Header["Accept"] = accept
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d", target, w.Code)
	}
	return w, w.Body.String()
}

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

// Browsers get the page, and programs JSON, whatever they accept besides.
func TestDebugHandlerNegotiates(t *testing.T) {
	leakcheck.Test(t)
	h := httpssl.DebugHandler(map[string]*ssl.Ctx{"front": serverCtx(t)})
	for _, c := range []struct {
		target string
		accept []string
		page   bool
	}{
		{"/", nil, false},
		{"/", []string{"*/*"}, false}, // curl, Go
		{"/", []string{browser}, true},
		{"/", []string{"text/html"}, true},
		{"/", []string{"application/json", "text/html;q=0.5"}, false},
		{"/", []string{"text/html, application/json"}, false},
		{"/", []string{"text/html;q=0"}, false},
		{"/", []string{"text/html;q=x"}, false},
		{"/", []string{"text/*"}, false},
		{"/?format=html", []string{"*/*"}, true},
		{"/?format=json", []string{browser}, false},
		{"/?format=other", []string{browser}, true},
	} {
		w, body := ask(t, h, c.target, c.accept...)
		if got := strings.HasPrefix(body, "<!DOCTYPE html>"); got != c.page ||
			strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") != c.page ||
			json.Valid([]byte(body)) == c.page {
			t.Errorf("%s of %q: a page is %t, want %t", c.target, c.accept, got, c.page)
		}
		if w.Header().Get("Vary") != "Accept" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s of %q: %v", c.target, c.accept, w.Header())
		}
	}
}

// hostilePeer is a connection whose peer has a hostile address.
type hostilePeer struct{ net.Conn }

type hostileAddr struct{ net.Addr }

func (hostilePeer) RemoteAddr() net.Addr { return hostileAddr{} }
func (hostileAddr) String() string       { return `"><img src=x onerror=alert(2)>` }

// Names that clients send, addresses, and errors of stores and applications are text on the page, and
// nothing else. Neither are there scripts, styles of elements, or secrets of keys.
func TestDebugPageOfHostileText(t *testing.T) {
	leakcheck.Test(t)
	const evil = `</title></style><script>alert(1)</script>'"&\u202e`
	key := ssltest.NewTicketKey(t)
	cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{Store: hostileStore{errors.New("store " + evil)},
		SealKeys: ssltest.NewSealKeys(t, 1)})
	if err := cache.RemoveContext(t.Context(), []byte("id")); err == nil {
		t.Fatal("removed")
	}
	srv := serverCtx(t, func(c *ssl.Config) {
		c.TicketKeys, c.SessionCache = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key}), cache
		c.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) {
			return nil, fmt.Errorf("no host %s", h.ServerName)
		}
	})
	a, b := ssltest.TCPPipe(t)
	s, err := ssl.Server(hostilePeer{b}, srv)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := tls.Client(a, &tls.Config{ServerName: "<script>alert(3)</script>", InsecureSkipVerify: true})
	if cerr, serr := ssltest.Both(c.Handshake, s.Handshake, b); cerr == nil || serr == nil {
		t.Fatal(cerr, serr)
	}
	h := httpssl.NewDebugHandler(map[string]*ssl.Ctx{evil: srv},
		&httpssl.DebugOptions{DocsURL: "javascript:alert(4)//"})
	w, page := ask(t, h, "/?format=html&ctx="+"%3Cscript%3E")
	for _, bad := range []string{"<script", "<img", "javascript:", "</title></style>", "\u202e", " style="} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)", "no host &lt;script&gt;alert(3)",
		"onerror=alert(2)&gt;",
		"store &lt;/title&gt;", key.Name()} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	secret, err := key.SecretBytes()
	if err != nil {
		t.Fatal(err)
	}
	noSecret(t, page, secret)
	m := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page)
	if m == nil {
		t.Fatal("no style")
	}
	sum := sha256.Sum256([]byte(m[1]))
	policy := w.Header().Get("Content-Security-Policy")
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"
	if !strings.HasPrefix(policy, want) || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %q, want %q", policy, want)
	}
	rest := strings.ReplaceAll(page, "img src=x", "")
	if refs := regexp.MustCompile(`(src|url)\s*[=(]`).FindAllString(rest, -1); refs != nil {
		t.Errorf("the page loads %q", refs)
	}
}

// hostileStore is a store that returns a hostile error.
type hostileStore struct{ err error }

func (s hostileStore) Put(context.Context, []byte, []byte, time.Time) error { return s.err }
func (s hostileStore) Get(context.Context, []byte) ([]byte, error)          { return nil, s.err }

func (s hostileStore) Remove(context.Context, []byte) error { return s.err }

// Of few Ctxs each is shown; many are a table, from which one can be chosen. Closed ones say so.
func TestDebugPageOfManyCtxs(t *testing.T) {
	leakcheck.Test(t)
	ctxs := map[string]*ssl.Ctx{"closed": clientCtx(t)}
	ctxs["closed"].Close()
	for i := range 3 {
		ctxs[fmt.Sprintf("ctx&%d", i)] = serverCtx(t)
	}
	shown := func(page string) int { return strings.Count(page, "<article>") }
	const docs = "https://git.example/sessl/docs"
	_, page := ask(t, httpssl.NewDebugHandler(ctxs, &httpssl.DebugOptions{DocsURL: docs}), "/", browser)
	if shown(page) != 4 || strings.Contains(page, `class="all"`) ||
		strings.Count(page, "No handshake yet") != 3 || strings.Count(page, "Ctx.Stats: the Ctx is closed") != 1 ||
		strings.Count(page, docs+"/resumption.md#ticket-keys") != 3 {
		t.Error(page)
	}
	for i := 3; i < 30; i++ {
		ctxs[fmt.Sprintf("ctx&%d", i)] = ctxs["ctx&0"]
	}
	h := httpssl.DebugHandler(ctxs)
	_, page = ask(t, h, "/?refresh=off", browser)
	if shown(page) != 0 || strings.Count(page, `<th scope="row"><a href="?ctx=`) != 31 ||
		!strings.Contains(page, `href="?ctx=ctx%2629&amp;refresh=off"`) {
		t.Error(page)
	}
	_, page = ask(t, h, "/?ctx=ctx%2629", browser)
	if shown(page) != 1 || !strings.Contains(page, "<h2><bdi>ctx&amp;29</bdi>") {
		t.Error(page)
	}
}
