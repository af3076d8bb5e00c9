package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// limit ends a browser that hangs.
const limit = time.Minute

// chromium is a browser without a window, and one page in it.
type chromium struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	n       int
	session string
	// complaints are errors that the browser logs, such as what a page's own policy refuses.
	complaints []string
}

// startChromium starts a browser that ends with the test. Messages are JSON with a zero byte behind it, to
// file 3 of the browser and from file 4.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("make deps-browser installs it: ", err)
	}
	theirs, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, theirsToo, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
		"--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-default-apps", "--no-proxy-server", "--disable-dev-shm-usage",
		"--force-color-profile=srgb", "--hide-scrollbars", "--user-data-dir="+dir, "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, theirsToo}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	theirsToo.Close()
	c := &chromium{t: t, to: to, from: bufio.NewReader(from)}
	to.SetDeadline(time.Now().Add(limit))
	from.SetDeadline(time.Now().Add(limit))
	t.Cleanup(func() {
		to.Close() // the browser ends
		kill := time.AfterFunc(limit, func() { cmd.Process.Kill() })
		cmd.Wait()
		kill.Stop()
		from.Close()
		os.RemoveAll(dir)
	})
	var target struct{ TargetID string }
	c.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	c.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	c.session = session.SessionID
	c.call("Page.enable", nil, nil)
	c.call("Log.enable", nil, nil)
	return c
}

type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// call calls a method of the protocol, and stores its result in out, if that is not nil.
func (c *chromium) call(method string, params map[string]any, out any) {
	c.t.Helper()
	c.n++
	if params == nil {
		params = map[string]any{}
	}
	b, err := json.Marshal(message{ID: c.n, Session: c.session, Method: method, Params: params})
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.to.Write(append(b, 0)); err != nil {
		c.t.Fatal(method, err)
	}
	m := c.until(func(m message) bool { return m.ID == c.n })
	if m.Error != nil {
		c.t.Fatalf("%s: %s", method, m.Error)
	}
	if out != nil {
		if err := json.Unmarshal(m.Result, out); err != nil {
			c.t.Fatal(method, err)
		}
	}
}

// until reads messages until there is the wanted one.
func (c *chromium) until(wanted func(message) bool) message {
	c.t.Helper()
	for {
		b, err := c.from.ReadBytes(0)
		if err != nil {
			c.t.Fatal("the browser: ", err)
		}
		var m message
		if err := json.Unmarshal(b[:len(b)-1], &m); err != nil {
			c.t.Fatal(err)
		}
		if m.Method == "Log.entryAdded" {
			c.complaints = append(c.complaints, string(b))
		}
		if wanted(m) {
			return m
		}
	}
}

// load goes to url and waits until it is loaded.
func (c *chromium) load(url string) {
	c.t.Helper()
	var went struct{ ErrorText string }
	c.call("Page.navigate", map[string]any{"url": url}, &went)
	if went.ErrorText != "" {
		c.t.Fatal(url, went.ErrorText)
	}
	c.waitLoad()
}

func (c *chromium) waitLoad() {
	c.t.Helper()
	c.until(func(m message) bool { return m.Method == "Page.loadEventFired" })
}

// eval stores the value of an expression of JavaScript in out. The page's own policy does not hold for it.
func (c *chromium) eval(expression string, out any) {
	c.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	c.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &r)
	err := error(nil)
	if r.ExceptionDetails != nil {
		err = errors.New(string(r.ExceptionDetails))
	} else {
		err = json.Unmarshal(r.Result.Value, out)
	}
	if err != nil {
		c.t.Fatalf("%s: %v", expression, err)
	}
}

// look sets the width of the window and the colours that its user prefers.
func (c *chromium) look(width, height int, scheme string) {
	c.t.Helper()
	c.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height,
		"deviceScaleFactor": 1, "mobile": width < 500}, nil)
	c.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{
		{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// screenshot returns the page from its top, as a PNG.
func (c *chromium) screenshot() (png []byte) {
	c.t.Helper()
	var shot struct{ Data []byte }
	c.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	return shot.Data
}

// overflowing returns what is wider than the window: elements by name, with their right edges.
func (c *chromium) overflowing() string {
	c.t.Helper()
	var found []string
	c.eval(`[...document.querySelectorAll("body *")]
		.filter(e => !(e instanceof SVGElement) || e.tagName == "svg" || e.tagName == "text")
		.map(e => [e, e.getBoundingClientRect()])
		.filter(([e, r]) => r.right > document.documentElement.clientWidth + 0.5 || r.left < -0.5)
		.map(([e, r]) => [e.tagName, e.getAttribute("class"), r.right, e.textContent.slice(0, 40)].join(" "))`,
		&found)
	var width, inner int
	c.eval("document.documentElement.scrollWidth", &width)
	c.eval("innerWidth", &inner)
	if width > inner {
		found = append(found, fmt.Sprintf("the page is %d wide, the window %d", width, inner))
	}
	return strings.Join(found, "\n")
}

// resumed returns how many handshakes the page says were resumed by a ticket.
func (c *chromium) resumed() (n int) {
	c.t.Helper()
	c.eval(`Number([...document.querySelectorAll(".bars li")]
		.filter(e => e.querySelector(".label").textContent == "resumed by ticket")[0]
		.querySelector(".n").firstChild.textContent)`, &n)
	return n
}
