package httpssl_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

const environmentServer = "SESSL_TEST_PROXY_SERVER"

// A transport without a base goes through the proxy of the environment, except where that says
// no_proxy. The environment is read once by net/http, so the client is a process of its own.
func TestProxyOfTheEnvironment(t *testing.T) {
	leakcheck.Test(t)
	if addr := os.Getenv(environmentServer); addr != "" {
		askByEnvironment(t, addr)
		return
	}
	s := start(t, serverCtx(t), nil)
	p := startProxy(t, s.Addr, nil, nil)
	proxyURL := "http://user:secret@" + p.URL.Host
	for name, env := range map[string][]string{
		"capitals": {"HTTPS_PROXY=" + proxyURL, "NO_PROXY=direct.test,.wild.test"},
		"small":    {"https_proxy=" + proxyURL, "no_proxy=direct.test,*.wild.test"},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyOfTheEnvironment$")
		cmd.Env = append(append(os.Environ(), env...), environmentServer+"="+s.Addr)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		want := "dialed " + p.URL.Host + " for server.test\ndialed direct.test:443 for direct.test\n" +
			"dialed a.wild.test:443 for a.wild.test\ndialed 127.0.0.1:443 for 127.0.0.1\n"
		if !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: the client printed\n%s", name, out)
		}
		if got := p.takes(); got != "CONNECT server.test:443 host server.test:443 auth user:secret" {
			t.Errorf("%s: the proxy was asked %q", name, got)
		}
	}
}

// askByEnvironment sends requests, and prints which addresses are dialed for them.
func askByEnvironment(t *testing.T, server string) {
	var dialed string
	tr, err := httpssl.NewTransport(&ssl.Dialer{
		Ctx: clientCtx(t),
		DialFunc: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialed = addr
			if strings.HasSuffix(addr, ":443") {
				addr = server
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: ssltest.Timeout}
	for _, host := range []string{"server.test", "direct.test", "a.wild.test", "127.0.0.1"} {
		if _, body := post(t, c, "https://"+host, host); body != host {
			t.Errorf("%s: %q", host, body)
		}
		fmt.Printf("dialed %s for %s\n", dialed, host)
	}
}
