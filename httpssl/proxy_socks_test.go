package httpssl_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
)

// A socksProxy leads all connections to one server.
type socksProxy struct {
	user, password string // that it demands
	reply          byte
	bound          []byte        // type and address that it says it connects from
	raw            []byte        // what it answers to the greeting instead
	asked          chan []byte   // the requests
	silent         chan struct{} // if not nil, it says nothing
}

func (p *socksProxy) start(t *testing.T, addr string) *url.URL {
	p.asked = make(chan []byte, 10)
	return &url.URL{Scheme: "socks5", Host: each(t, func(c net.Conn) {
		if err := p.serve(c, addr); err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Log(err)
		}
	})}
}

func (p *socksProxy) serve(c net.Conn, addr string) error {
	b := make([]byte, 512)
	if _, err := io.ReadFull(c, b[:2]); err != nil {
		return err
	}
	methods := b[2 : 2+b[1]]
	if _, err := io.ReadFull(c, methods); err != nil {
		return err
	}
	if p.silent != nil {
		_, err := io.Copy(io.Discard, c)
		return err
	}
	if p.raw != nil {
		c.Write(p.raw)
		return nil
	}
	if p.user == "" {
		c.Write([]byte{5, 0})
	} else {
		if !strings.Contains(string(methods), "\x02") {
			c.Write([]byte{5, 0xff})
			return nil
		}
		c.Write([]byte{5, 2})
		want := fmt.Sprintf("\x01%c%s%c%s", len(p.user), p.user, len(p.password), p.password)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil {
			return err
		}
		if string(got) != want {
			c.Write([]byte{1, 1})
			return nil
		}
		c.Write([]byte{1, 0})
	}
	n, err := c.Read(b) // requests are short, and come in one piece on loopback
	if err != nil {
		return err
	}
	p.asked <- append([]byte{}, b[:n]...)
	bound := p.bound
	if bound == nil {
		bound = []byte{1, 127, 0, 0, 1}
	}
	c.Write(append(append([]byte{5, p.reply, 0}, bound...), 0x12, 0x34))
	if p.reply == 0 {
		join(c, addr)
	}
	return nil
}

// SOCKS5 proxies are used as net/http uses them.
func TestSOCKS(t *testing.T) {
	special, needy := url.UserPassword("us er", "p@ss:"), socksProxy{user: "a", password: "b"}
	ip6 := append([]byte{4}, make([]byte, 16)...)
	for name, tc := range map[string]struct {
		p    socksProxy
		user *url.Userinfo
		host string
		want string // in the error
	}{
		"plain":           {},
		"socks5h":         {},
		"IPv4":            {host: "127.0.0.1"},
		"IPv6, from IPv6": {host: "[::1]:8443", p: socksProxy{bound: ip6}},
		"from a name":     {p: socksProxy{bound: []byte("\x03\x04name")}},
		"from no name":    {p: socksProxy{bound: []byte{3, 0}}},
		"user":            {p: socksProxy{user: "us er", password: "p@ss:"}, user: special},
		"user, not asked": {user: special},
		"wrong password": {p: socksProxy{user: "a", password: "secret"}, user: url.UserPassword("a", "p@ssxx"),
			want: "authentication failed"},
		"no user":    {p: needy, want: "no acceptable authentication methods"},
		"empty user": {p: needy, user: url.UserPassword("", "b"), want: "invalid username/password"},
		"long password": {p: needy, user: url.UserPassword("a", strings.Repeat("x", 256)),
			want: "invalid username/password"},
		"long name":           {host: strings.Repeat("a.", 130) + "test", want: "a.a"},
		"refused":             {p: socksProxy{reply: 5}, want: "connection refused"},
		"unreachable":         {p: socksProxy{reply: 4}, want: "host unreachable"},
		"unknown reply":       {p: socksProxy{reply: 99}, want: "99"},
		"version":             {p: socksProxy{raw: []byte{4, 0}}, want: "unexpected protocol version 4"},
		"closes":              {p: socksProxy{raw: []byte{}}, want: "EOF"},
		"password not wanted": {p: socksProxy{raw: []byte{5, 2}}, want: "socks connect"},
		"address type":        {p: socksProxy{bound: []byte{7, 0, 0}}, want: "unknown address type"},
	} {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s h2 %t", name, h2), func(t *testing.T) {
				leakcheck.Test(t)
				s := start(t, serverCtx(t), nil)
				u := tc.p.start(t, s.Addr)
				u.User = tc.user
				if name == "socks5h" {
					u.Scheme = name
				}
				host := tc.host
				if host == "" {
					host = "server.test"
				}
				got := map[string]string{}
				for by, c := range proxyClients(t, h2, func(tr *http.Transport) { tr.Proxy = http.ProxyURL(u) }) {
					resp, err := c.Post("https://"+host+"/", "", strings.NewReader("x"))
					if err != nil {
						if tc.want == "" || !strings.Contains(err.Error(), tc.want) {
							t.Errorf("%s: %v", by, err)
						}
						if strings.Contains(err.Error(), "p@ss") {
							t.Errorf("%s: %v", by, err)
						}
						got[by] = "error"
					} else {
						b, err := io.ReadAll(resp.Body)
						resp.Body.Close()
						got[by] = fmt.Sprintf("%s %v %s", b, err, resp.Proto)
					}
					select {
					case r := <-tc.p.asked:
						got[by] += fmt.Sprintf(" %q", r)
					default:
					}
				}
				a, b := got["httpssl"], got["net/http"]
				if a != b || strings.HasPrefix(a, "error") != (tc.want != "") {
					t.Errorf("httpssl: %s; net/http: %s", a, b)
				}
			})
		}
	}
}
