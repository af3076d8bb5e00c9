package valkeystore

import (
	"crypto/sha1"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A mix is a server of this package and a neighbour that share ticket keys, and a client for each version of
// TLS that goes from one to the other.
type mix struct {
	t       *testing.T
	name    string
	web     *dbtest.Web
	ours    *ssl.Ctx
	clients []*ssl.Ctx
	have    []*ssl.Session
	returns int
	renews  bool // each resumption in TLS 1.3 brings another ticket
}

func newMix(t *testing.T, name string, web *dbtest.Web, vk *Client, context []byte) *mix {
	t.Helper()
	m := &mix{t: t, name: name, web: web}
	cfg := ssltest.ServerConfig(t)
	cfg.SessionIDContext = context
	m.ours = ssltest.TicketServer(t, cfg, vk.TicketKeys())
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		m.clients = append(m.clients,
			ssltest.NewClientCtx(t, ssltest.CopyOf(ssltest.ClientConfig(t), ssltest.Version(v))))
	}
	m.have = make([]*ssl.Session, len(m.clients))
	t.Cleanup(func() {
		for _, s := range m.have {
			s.Close()
		}
	})
	return m
}

// visitWeb offers the client's session to the neighbour. Both ends must say what is wanted.
func (m *mix) visitWeb(client int, want bool) {
	m.t.Helper()
	raw, err := net.Dial(dbtest.Network(m.web.Addr), m.web.Addr)
	if err != nil {
		m.t.Fatal(err)
	}
	defer raw.Close()
	conn, err := ssl.Client(raw, m.clients[client])
	if err != nil {
		m.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if s := m.have[client]; s != nil {
		if err := conn.SetSession(s); err != nil {
			m.t.Fatalf("%s, client %d, return %d: %v", m.name, client, m.returns, err)
		}
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"); err != nil {
		m.t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		m.t.Fatalf("%s: after %q: %v", m.name, text, err)
	}
	says := strings.Contains(string(text), "resumed=r") || strings.Contains(string(text), "resumed=1")
	if says != want || conn.SessionReused() != want {
		m.t.Fatalf("%s, client %d, return %d: it says %t, this end %t; want %t",
			m.name, client, m.returns, says, conn.SessionReused(), want)
	}
	m.take(client, ssltest.SessionOf(m.t, conn))
}

func (m *mix) visitOurs(client int, want bool) {
	m.t.Helper()
	m.take(client, ssltest.WantVisit(m.t, m.clients[client], m.ours, m.have[client], want))
}

// take keeps the session that the client has after a visit, if it has got another ticket.
func (m *mix) take(client int, s *ssl.Session) {
	m.t.Helper()
	m.returns++
	if !ssltest.Resumable(m.t, s) {
		if m.renews {
			m.t.Fatalf("%s, client %d, return %d: no other ticket", m.name, client, m.returns)
		}
		return
	}
	m.have[client].Close()
	m.have[client] = s
}

// round has each client go there and back.
func (m *mix) round() {
	m.t.Helper()
	for i := range m.clients {
		m.visitWeb(i, true)
		m.visitOurs(i, true)
	}
}

// begin makes the first connections, of which each leads to a resumption on the other.
func (m *mix) begin() {
	m.t.Helper()
	for i := range m.clients {
		m.visitWeb(i, false)
		m.visitOurs(i, true)
		s := m.have[i]
		m.have[i] = nil
		m.visitOurs(i, false)
		m.visitWeb(i, true)
		s.Close()
	}
}

// nginxContext is the session id context of an nginx with that certificate alone.
func nginxContext(cert ssl.Certificate) []byte {
	leaf := sha1.Sum(cert.Leaf().Raw)
	sum := sha1.Sum(append([]byte("HTTP"), leaf[:]...))
	return sum[:]
}

// Sessions of nginx resume here and ours there, and those of HAProxy too, in TLS 1.2 and 1.3, while keys
// rotate: nginx reads its files when it is told to, and HAProxy gets its keys over the socket. What cannot be
// delivered yet is, as soon as it can be; until then Health says so.
func TestNeighbours(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	files := KeyFiles{HAProxy: file("haproxy"), Nginx: [3]string{file("current"), file("next"), file("old")}}
	cert := ssltest.CertFile("server-ecdsa")
	nginx, haproxy := dbtest.NewNginx(t, cert, files.Nginx), dbtest.NewHAProxy(t, cert, files.HAProxy)
	files.Command = nginx.Reload
	log := &record{}
	vk := opened(t, dbtest.Start(t).Addr, func(o *Options) {
		o.RotateEvery, o.KeepFor, o.Poll = 3*time.Second, 20*time.Second, 100*time.Millisecond
		o.KeyFiles, o.HAProxySocket, o.Logger = files, haproxy.Socket, log.logger()
	})
	stats := func() NeighbourStats { return vk.Stats().Neighbours }
	await(t, "files", func() bool { return stats().Files.Done == 1 && stats().Files.Failures > 0 })
	await(t, "no socket", func() bool { return stats().Socket.Failures > 0 && vk.Health() != nil })
	for _, of := range []string{"key files", "haproxy"} {
		await(t, of, func() bool { return strings.Contains(vk.Health().Error(), "ticket keys: "+of) })
	}
	nginx.Start()
	haproxy.Start()
	await(t, "both have their keys", func() bool { return vk.Health() == nil })
	if s := stats(); s.Socket.Done != 0 || s.Kept {
		t.Errorf("HAProxy was sent what it had from its file: %+v", s)
	}
	mixes := []*mix{
		newMix(t, "nginx", nginx, vk, nginxContext(ssltest.KeyPair(t, "server-ecdsa"))),
		newMix(t, "haproxy", haproxy, vk, []byte("haproxy")),
	}
	for _, m := range mixes {
		m.begin()
	}
	rotate := func(n int) {
		for range n {
			key := currentOf(vk)
			await(t, "the next key", func() bool {
				for _, m := range mixes {
					m.round()
				}
				return currentOf(vk) != key
			})
		}
	}
	rotate(1)
	await(t, "the keys of the first turn", func() bool { return stats().Socket.Done > 0 && vk.Health() == nil })
	for _, m := range mixes {
		m.renews = true
	}
	rotate(2)
	await(t, "the keys of the last turn", func() bool { return stats().Socket.Done >= 2 && vk.Health() == nil })

	// A HAProxy that begins with keys of the past gets those of now.
	old, err := os.ReadFile(files.HAProxy)
	if err != nil {
		t.Fatal(err)
	}
	rotate(1)
	await(t, "the files of that turn", func() bool {
		now, err := os.ReadFile(files.HAProxy)
		return err == nil && string(now) != string(old) && vk.Health() == nil
	})
	haproxy.End()
	if err := os.WriteFile(files.HAProxy, old, 0o600); err != nil {
		t.Fatal(err)
	}
	sent := stats().Socket.Done
	haproxy.Start()
	await(t, "keys for the new HAProxy", func() bool { return stats().Socket.Done > sent && vk.Health() == nil })
	for _, m := range mixes {
		m.round()
	}
	wantNoKeys(t, vk, files, log.String())
}

// currentOf is the name of the key that a Client's servers encrypt with, or "".
func currentOf(c *Client) string {
	for _, k := range c.TicketKeys().Infos() {
		if k.Use == "current" {
			return k.Name
		}
	}
	return ""
}

// wantNoKeys checks that no part of a key is in a text.
func wantNoKeys(t *testing.T, vk *Client, files KeyFiles, text string) {
	t.Helper()
	b, err := os.ReadFile(files.HAProxy)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(text, line[24:60]) {
			t.Error("a key is in the log")
		}
	}
	for _, word := range []string{"of=\"key files\" state=behind", "of=haproxy state=behind",
		"of=haproxy state=\"up to date\""} {
		if !strings.Contains(text, word) {
			t.Errorf("%s is not in the log:\n%s", word, text)
		}
	}
}
