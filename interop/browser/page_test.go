package browser

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"sessl/httpssl"
	"sessl/httpssl/httpssltest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var shots = flag.String("shots", "", "the directory that screenshots are written to; none if empty")

func TestMain(m *testing.M) { leakcheck.Main(m) }

// busy is a server that has resumed, refused and failed, with ticket keys that were replaced.
func busy(t *testing.T) *httpssltest.Server {
	t.Helper()
	rotating, err := ssl.NewTicketKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rotating.Close() })
	s := httpssltest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello")
	}))
	s.TLS = &ssl.Config{TicketKeys: rotating}
	s.Start()
	t.Cleanup(s.Close)
	visit(t, s, 40)
	if err := rotating.Rotate(ssltest.NewTicketKey(t)); err != nil {
		t.Fatal(err)
	}
	visit(t, s, 20)
	resp, err := http.Get("http" + strings.TrimPrefix(s.URL, "https"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return s
}

// visit makes n requests, each on a connection of its own.
func visit(t *testing.T, s *httpssltest.Server, n int) {
	t.Helper()
	for range n {
		resp, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		s.Client().CloseIdleConnections()
	}
}

// The page fits windows of all widths in both schemes of colours, and has what the server counted.
func TestPageInWindows(t *testing.T) {
	leakcheck.Test(t)
	s := busy(t)
	page := httptest.NewServer(httpssl.NewDebugHandler(map[string]*ssl.Ctx{
		"front": s.Ctx(), "long-name-without-any-place-to-break-it-" + strings.Repeat("x", 60): s.Ctx(),
		"quiet": ssltest.NewServerCtx(t, ssltest.ServerConfig(t)),
	}, &httpssl.DebugOptions{DocsURL: "http://127.0.0.1:1/docs"}))
	defer page.Close()
	b := startChromium(t)
	for _, w := range []struct {
		name          string
		width, height int
	}{{"narrow", 320, 640}, {"phone", 360, 760}, {"tablet", 800, 1000}, {"wide", 1120, 1300}} {
		for _, scheme := range []string{"light", "dark"} {
			b.look(w.width, w.height, scheme)
			b.load(page.URL + "/?refresh=off")
			if wide := b.overflowing(); wide != "" {
				t.Errorf("%s, %s:\n%s", w.name, scheme, wide)
			}
			b.save(w.name + "-" + scheme)
			var body string
			b.eval("document.body.innerText", &body)
			for _, want := range []string{"front", "resumed by ticket", "http request", "old", "current"} {
				if !strings.Contains(body, want) {
					t.Errorf("%s, %s: no %q in\n%s", w.name, scheme, want, body)
				}
			}
			var dark bool
			b.eval(`getComputedStyle(document.body).backgroundColor.match(/\d+/)[0] < 128`, &dark)
			if dark != (scheme == "dark") {
				t.Errorf("%s: dark is %t where %s is preferred", w.name, dark, scheme)
			}
		}
	}
}

// Without scripts the page renews itself, and then shows what happened in between.
func TestPageRenewsItself(t *testing.T) {
	leakcheck.Test(t)
	s := busy(t)
	page := httptest.NewServer(httpssl.DebugHandler(map[string]*ssl.Ctx{"front": s.Ctx()}))
	defer page.Close()
	b := startChromium(t)
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.look(1120, 1300, "light")
	b.load(page.URL + "/?refresh=1")
	before := b.resumed()
	visit(t, s, 7)
	for b.resumed() != before+7 {
		b.waitLoad() // the browser's own; startChromium bounds all
	}
	if len(b.complaints) > 0 {
		t.Error("the browser complains: ", b.complaints)
	}
}

// save keeps a screenshot, if the flag says where.
func (c *chromium) save(name string) {
	c.t.Helper()
	if *shots == "" {
		return
	}
	if err := os.WriteFile(*shots+"/"+name+".png", c.screenshot(), 0o644); err != nil {
		c.t.Fatal(err)
	}
}
