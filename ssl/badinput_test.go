package ssl_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A refusal is a call that must be refused.
type refusal struct {
	what string
	err  error
	want error
}

func refusesAll(t *testing.T, attempts []refusal) {
	t.Helper()
	for _, a := range attempts {
		refuses(t, a.what, a.err, a.want)
	}
}

// second is the error of a call that returns two things, of which the first must be nil.
func second[V comparable](v V, err error) error {
	var zero V
	if v != zero && err != nil {
		return errors.New("a value and an error at once: " + err.Error())
	}
	return err
}

func TestNilArguments(t *testing.T) {
	leakcheck.Test(t)
	client, server := newClientCtx(t, clientConfig(t)), newServerCtx(t, serverConfig(t))
	p := newTCPPair(t, clientConfig(t), serverConfig(t))
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	s := filled(t, ssl.VersionTLS12)
	var noCtx *ssl.Ctx
	var noConn *ssl.Conn
	_, addErr := server.AddSession(nil)
	_, removeErr := server.RemoveSession(nil)
	_, noAddErr := noCtx.AddSession(s)
	_, noRemoveErr := noCtx.RemoveSession(s)
	_, statsErr := noCtx.SessionStats()
	_, readErr := noConn.Read(make([]byte, 1))
	_, writeErr := noConn.Write(make([]byte, 1))
	var noContext context.Context
	ctxErr := p.client.HandshakeContext(noContext)
	refusesAll(t, []refusal{
		{"Client(nil, ctx)", second(ssl.Client(nil, client)), ssl.ErrNil},
		{"Client(conn, nil)", second(ssl.Client(a, nil)), ssl.ErrNil},
		{"Server(nil, ctx)", second(ssl.Server(nil, server)), ssl.ErrNil},
		{"Server(conn, nil)", second(ssl.Server(a, nil)), ssl.ErrNil},
		{"Dial with nil", second(ssl.Dial("tcp", "127.0.0.1:1", nil)), ssl.ErrNil},
		{"Listen with nil", second(ssl.Listen("tcp", "127.0.0.1:0", nil)), ssl.ErrNil},
		{"NewServerCtx(nil)", second(ssl.NewServerCtx(nil)), ssl.ErrNil},
		{"SetSession(nil)", p.client.SetSession(nil), ssl.ErrNil},
		{"SetSharedSession(nil)", p.client.SetSharedSession(nil), ssl.ErrNil},
		{"WithSession(nil)", p.client.WithSession(nil), ssl.ErrNil},
		{"HandshakeContext(nil)", ctxErr, ssl.ErrNil},
		{"AddSession(nil)", addErr, ssl.ErrNil},
		{"RemoveSession(nil)", removeErr, ssl.ErrNil},
		{"AddSession of nil", noAddErr, ssl.ErrNil},
		{"RemoveSession of nil", noRemoveErr, ssl.ErrNil},
		{"SessionStats of nil", statsErr, ssl.ErrNil},
		{"FlushSessions of nil", noCtx.FlushSessions(time.Time{}), ssl.ErrNil},
		{"Read of nil", readErr, ssl.ErrNil},
		{"Write of nil", writeErr, ssl.ErrNil},
		{"Handshake of nil", noConn.Handshake(), ssl.ErrNil},
		{"HandshakeContext of nil", noConn.HandshakeContext(context.Background()), ssl.ErrNil},
		{"CloseWrite of nil", noConn.CloseWrite(), ssl.ErrNil},
		{"SetDeadline of nil", noConn.SetDeadline(time.Time{}), ssl.ErrNil},
		{"Session of nil", second(noConn.Session()), ssl.ErrNil},
		{"SetSession of nil", noConn.SetSession(s), ssl.ErrNil},
		{"SetSharedSession of nil", noConn.SetSharedSession(s), ssl.ErrNil},
		{"WithSession of nil", noConn.WithSession(func(*ssl.BorrowedSession) error { return nil }), ssl.ErrNil},
	})
	if err := errors.Join(noCtx.Close(), noConn.Close()); err != nil {
		t.Errorf("Close of nil: %v", err)
	}
	for what, call := range map[string]func([]byte) (int, error){"ReadEarlyData": noConn.ReadEarlyData, "WriteEarlyData": noConn.WriteEarlyData} {
		if _, err := call(nil); !errors.Is(err, ssl.ErrNil) {
			t.Errorf("%s of nil: %v", what, err)
		}
	}
	if noConn.EarlyDataStatus() != ssl.EarlyDataNotSent || noCtx.EarlyDataStats() != (ssl.EarlyDataStats{}) {
		t.Error("early data of nil")
	}
	if noConn.SessionReused() || noConn.SessionOffered() || noConn.ConnectionState().Version != 0 {
		t.Error("a nil Conn has a state")
	}
	c, err := ssl.NewClientCtx(nil)
	if err != nil {
		t.Fatalf("NewClientCtx(nil) is the zero Config: %v", err)
	}
	c.Close()
}

// connCalls are the calls that a dead Conn refuses.
func connCalls(c *ssl.Conn, s *ssl.Session) []refusal {
	_, readErr := c.Read(make([]byte, 1))
	_, writeErr := c.Write(make([]byte, 1))
	return []refusal{
		{"Read", readErr, ssl.ErrClosed},
		{"Write", writeErr, ssl.ErrClosed},
		{"WriteEarlyData", second(c.WriteEarlyData(make([]byte, 1))), ssl.ErrClosed},
		{"Handshake", c.Handshake(), ssl.ErrClosed},
		{"CloseWrite", c.CloseWrite(), ssl.ErrClosed},
		{"SetDeadline", c.SetDeadline(time.Time{}), ssl.ErrClosed},
		{"SetReadDeadline", c.SetReadDeadline(time.Time{}), ssl.ErrClosed},
		{"SetWriteDeadline", c.SetWriteDeadline(time.Time{}), ssl.ErrClosed},
		{"Session", second(c.Session()), ssl.ErrClosed},
		{"SetSession", c.SetSession(s), ssl.ErrClosed},
		{"SetSharedSession", c.SetSharedSession(s), ssl.ErrClosed},
		{"WithSession", c.WithSession(func(*ssl.BorrowedSession) error { return nil }), ssl.ErrClosed},
	}
}

func TestClosedConn(t *testing.T) {
	leakcheck.Test(t)
	s := filled(t, ssl.VersionTLS12)
	early := newTCPPair(t, clientConfig(t), serverConfig(t))
	early.closeBoth()
	for _, a := range connCalls(early.client, s) {
		refuses(t, a.what+" before the handshake", a.err, a.want)
		if !errors.Is(a.err, net.ErrClosed) {
			t.Errorf("%s: %v is no net.ErrClosed", a.what, a.err)
		}
	}
	late := newTCPPair(t, clientConfig(t), serverConfig(t))
	late.mustShake(t)
	late.echo(t)
	late.closeBoth()
	for _, a := range connCalls(late.client, s) {
		if a.what == "Handshake" {
			if a.err != nil {
				t.Errorf("Handshake after its success and Close: %v", a.err)
			}
			continue
		}
		refuses(t, a.what+" after the handshake", a.err, a.want)
	}
	if err := late.client.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if !late.client.ConnectionState().Verified {
		t.Error("the state went with the connection")
	}
}

func TestZeroConn(t *testing.T) {
	leakcheck.Test(t)
	s := filled(t, ssl.VersionTLS12)
	c := new(ssl.Conn)
	refusesAll(t, connCalls(c, s))
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	refusesAll(t, connCalls(c, s))
}

func TestClosedCtx(t *testing.T) {
	leakcheck.Test(t)
	s := filled(t, ssl.VersionTLS12)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	client, server := newClientCtx(t, clientConfig(t)), newServerCtx(t, serverConfig(t))
	l, err := ssl.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client.Close()
	server.Close()
	for what, ctx := range map[string]*ssl.Ctx{"closed": server, "zero": new(ssl.Ctx)} {
		_, addErr := ctx.AddSession(s)
		_, removeErr := ctx.RemoveSession(s)
		_, statsErr := ctx.SessionStats()
		refusesAll(t, []refusal{
			{what + ": AddSession", addErr, ssl.ErrClosed},
			{what + ": RemoveSession", removeErr, ssl.ErrClosed},
			{what + ": FlushSessions", ctx.FlushSessions(time.Time{}), ssl.ErrClosed},
			{what + ": SessionStats", statsErr, ssl.ErrClosed},
		})
	}
	refusesAll(t, []refusal{
		{"Client", second(ssl.Client(a, client)), ssl.ErrClosed},
		{"Server", second(ssl.Server(b, server)), ssl.ErrClosed},
		{"Dial", second(ssl.Dial(l.Addr().Network(), l.Addr().String(), client)), ssl.ErrClosed},
	})
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if c, err := l.Accept(); c != nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v, %v", c, err)
	}
	if err := errors.Join(client.Close(), server.Close(), new(ssl.Ctx).Close()); err != nil {
		t.Errorf("Close again: %v", err)
	}
	// The connection that a refused Client was given is still its owner's.
	go func() { a.Write([]byte("x")); a.Close() }()
	if got, err := io.ReadAll(b); string(got) != "x" || err != nil {
		t.Errorf("the connection underneath: %q, %v", got, err)
	}
}

func TestClosedSessionAsArgument(t *testing.T) {
	leakcheck.Test(t)
	s := filled(t, ssl.VersionTLS12)
	s.Close()
	server := newServerCtx(t, serverConfig(t))
	p := newTCPPair(t, clientConfig(t), serverConfig(t))
	for what, s := range map[string]*ssl.Session{"closed": s, "zero": new(ssl.Session)} {
		_, addErr := server.AddSession(s)
		_, removeErr := server.RemoveSession(s)
		refusesAll(t, []refusal{
			{what + ": SetSession", p.client.SetSession(s), ssl.ErrClosed},
			{what + ": SetSharedSession", p.client.SetSharedSession(s), ssl.ErrClosed},
			{what + ": AddSession", addErr, ssl.ErrClosed},
			{what + ": RemoveSession", removeErr, ssl.ErrClosed},
		})
	}
	if p.client.SessionOffered() {
		t.Error("a refused session is offered")
	}
}

// The wrong side, the wrong moment, the wrong Ctx.
func TestWrongPlace(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		s := session(t, cli, srv)
		free := dup(t, s)
		p := newTCPPair(t, cli, srv)
		empty := mustNew(t)
		defer empty.Close()
		none := func(*ssl.BorrowedSession) error { t.Error("called"); return nil }
		refusesAll(t, []refusal{
			{"SetSession on a server", p.server.SetSession(s), ssl.ErrServer},
			{"SetSharedSession on a server", p.server.SetSharedSession(s), ssl.ErrServer},
			{"SetSharedSession of another Ctx", p.client.SetSharedSession(s), ssl.ErrSessionCtx},
			{"SetSession of an empty one", p.client.SetSession(empty), ssl.ErrNotResumable},
			{"SetSharedSession of an empty one", p.client.SetSharedSession(empty), ssl.ErrNotResumable},
			{"Session before the handshake", second(p.client.Session()), ssl.ErrNoSession},
			{"server's Session before the handshake", second(p.server.Session()), ssl.ErrNoSession},
			{"WithSession before the handshake", p.client.WithSession(none), ssl.ErrNoSession},
			{"CloseWrite before the handshake", p.client.CloseWrite(), ssl.ErrHandshakeIncomplete},
		})
		if p.client.SessionOffered() {
			t.Error("a refused session is offered")
		}
		if err := p.client.SetSharedSession(free); err != nil {
			t.Errorf("a copy belongs to any Ctx: %v", err)
		}
		p.mustShake(t)
		refusesAll(t, []refusal{
			{"SetSession after the handshake", p.client.SetSession(s), ssl.ErrHandshakeStarted},
			{"SetSharedSession after the handshake", p.client.SetSharedSession(s), ssl.ErrHandshakeStarted},
		})
		sc, cc := newServerCtx(t, srv), newClientCtx(t, cli)
		_, addErr := sc.AddSession(s)
		_, removeErr := sc.RemoveSession(s)
		_, emptyErr := sc.AddSession(empty)
		_, clientErr := cc.AddSession(free)
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		refusesAll(t, []refusal{
			{"AddSession of another Ctx", addErr, ssl.ErrSessionCtx},
			{"RemoveSession of another Ctx", removeErr, ssl.ErrSessionCtx},
			{"AddSession of an empty one", emptyErr, ssl.ErrNotResumable},
			{"AddSession to a client", clientErr, ssl.ErrClient},
			{"Client of a server's Ctx", second(ssl.Client(a, sc)), ssl.ErrServer},
			{"Server of a client's Ctx", second(ssl.Server(b, cc)), ssl.ErrClient},
			{"Dial with a server's Ctx", dialServerCtx(t, sc), ssl.ErrServer},
			{"Listen with a client's Ctx", second(ssl.Listen("tcp", "127.0.0.1:0", cc)), ssl.ErrClient},
			{"FlushSessions before 1970", sc.FlushSessions(time.Unix(-1, 0)), ssl.ErrRange},
			{"FlushSessions after 2554", sc.FlushSessions(time.Unix(1<<40, 0)), ssl.ErrRange},
		})
		if !get(t, s.Resumable) {
			t.Error("a refused call marked the session")
		}
	})
}

// dialServerCtx dials somebody who listens.
func dialServerCtx(t *testing.T, ctx *ssl.Ctx) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return second(ssl.Dial("tcp", l.Addr().String(), ctx))
}

func TestBadDER(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		good := marshal(t, session(t, cli, srv))
		before := ssl.ReadCounters()
		for n := range good {
			s, err := ssl.ParseSession(good[:n])
			if s != nil {
				s.Close()
			}
			refuses(t, "truncated", err, ssl.ErrMalformed)
		}
		refuses(t, "nil", second(ssl.ParseSession(nil)), ssl.ErrMalformed)
		for _, extra := range [][]byte{{0}, {0, 0}, good, bytes.Repeat([]byte{0x30}, 1000)} {
			refuses(t, "trailing bytes", second(ssl.ParseSession(append(good[:len(good):len(good)], extra...))), ssl.ErrTrailingData)
		}
		refuses(t, "5 MB of zeros", second(ssl.ParseSession(make([]byte, 5<<20))), ssl.ErrTooLarge)
		refuses(t, "a byte too many", second(ssl.ParseSession(make([]byte, ssl.MaxEncodedSession+1))), ssl.ErrTooLarge)
		refuses(t, "zeros up to the limit", second(ssl.ParseSession(make([]byte, ssl.MaxEncodedSession))), ssl.ErrMalformed)
		refuses(t, "an endless sequence", second(ssl.ParseSession([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 1})), ssl.ErrMalformed)
		refuses(t, "PEM", second(ssl.ParseSession([]byte("-----BEGIN "+pemType+"-----\n"))), ssl.ErrMalformed)
		random := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			b := make([]byte, random.IntN(300))
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			refuses(t, "random bytes", second(ssl.ParseSession(b)), ssl.ErrMalformed)
		}
		if got := since(before); got.created != got.freed || got.opened != got.closed {
			t.Errorf("left behind: %+v", got)
		}
	})
}

// One byte changed anywhere: refused, or a session that works like any other.
func TestDamagedDER(t *testing.T) {
	leakcheck.Test(t)
	good := marshal(t, filled(t, ssl.VersionTLS12))
	before := ssl.ReadCounters()
	for i := range good {
		for _, x := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(good)
			bad[i] ^= x
			s, err := ssl.ParseSession(bad)
			if err != nil {
				if !errors.Is(err, ssl.ErrMalformed) && !errors.Is(err, ssl.ErrTrailingData) {
					t.Errorf("byte %d: %v", i, err)
				}
				continue
			}
			if err := s.Print(io.Discard); err != nil {
				t.Errorf("byte %d: %v", i, err)
			}
			s.Close()
		}
	}
	if got := since(before); got.created != got.freed || got.opened != got.closed {
		t.Errorf("left behind: %+v", got)
	}
}

func TestBadPEM(t *testing.T) {
	leakcheck.Test(t)
	s := filled(t, ssl.VersionTLS12)
	der, good := marshal(t, s), marshalPEM(t, s)
	encode := func(kind string, headers map[string]string, b []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: b})
	}
	encrypted := map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00112233445566778899AABBCCDDEEFF"}
	before := ssl.ReadCounters()
	for what, text := range map[string][]byte{
		"nil":                 nil,
		"empty":               {},
		"text":                []byte("no PEM at all"),
		"DER":                 der,
		"NUL bytes":           make([]byte, 100),
		"a certificate":       encode("CERTIFICATE", nil, der),
		"a private key":       encode("PRIVATE KEY", nil, der),
		"nearly the label":    encode(pemType+"S", nil, der),
		"an empty block":      encode(pemType, nil, nil),
		"a truncated session": encode(pemType, nil, der[:len(der)-1]),
		"encrypted":           encode(pemType, encrypted, bytes.Repeat([]byte{1}, 64)),
		"an unknown cipher":   encode(pemType, map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "NONE,00"}, der),
		"no end":              good[:bytes.LastIndex(good, []byte("-----END"))],
		"another end":         bytes.Replace(good, []byte("END SSL"), []byte("END SSH"), 1),
		"no base64":           bytes.Replace(good, []byte("\n"), []byte("\n!!!!"), 2),
	} {
		refuses(t, what, second(ssl.ParseSessionPEM(text)), ssl.ErrMalformed)
	}
	for n := range len(good) - len("-\n") {
		refuses(t, "truncated", second(ssl.ParseSessionPEM(good[:n])), ssl.ErrMalformed)
	}
	refuses(t, "trailing bytes", second(ssl.ParseSessionPEM(encode(pemType, nil, append(der[:len(der):len(der)], 5, 0)))), ssl.ErrTrailingData)
	refuses(t, "5 MB", second(ssl.ParseSessionPEM([]byte(strings.Repeat("A", 5<<20)))), ssl.ErrTooLarge)
	if got := since(before); got.created != got.freed || got.opened != got.closed {
		t.Errorf("left behind: %+v", got)
	}
}

// A Conn is printed by its ends, whatever the verb, also while it is in use.
func TestConnFormatsWithoutBeingWalked(t *testing.T) {
	leakcheck.Test(t)
	p := newTCPPair(t, clientConfig(t), serverConfig(t))
	p.mustShake(t)
	want := fmt.Sprintf("ssl.Conn(%v, %v)", p.client.LocalAddr(), p.client.RemoteAddr())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, p.client); got != want {
			t.Errorf("%s prints %q, want %q", verb, got, want)
		}
	}
	var none *ssl.Conn
	if none.LocalAddr() != nil || none.RemoteAddr() != nil || none.NetConn() != nil {
		t.Error("a nil Conn has an address or a connection")
	}
}

func TestListenWithClosedCtx(t *testing.T) {
	leakcheck.Test(t)
	ctx := newServerCtx(t, serverConfig(t))
	ctx.Close()
	if l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx); !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("Listen: %v, %v, want ErrClosed", l, err)
	}
}

// A panic in the application's code goes to the caller, and nothing is left behind.
func TestPanicsLeaveNothing(t *testing.T) {
	recovered := func(f func()) (r any) {
		defer func() { r = recover() }()
		f()
		return nil
	}
	t.Run("OnNewSession in Close", func(t *testing.T) {
		leakcheck.Test(t)
		cli := clientConfig(t)
		cli.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { s.Close(); panic("on purpose") }
		s := startServer(t, serverConfig(t))
		c, err := ssl.Dial("tcp", s.Addr, newClientCtx(t, cli))
		if err != nil {
			t.Fatal(err)
		}
		if r := recovered(func() { c.Close() }); r != "on purpose" {
			t.Errorf("recovered %v", r)
		}
		if _, err := c.NetConn().Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the socket: %v, want it closed", err)
		}
	})
	t.Run("VerifyConnection in Dial", func(t *testing.T) {
		leakcheck.Test(t)
		cli := clientConfig(t)
		cli.VerifyConnection = func(ssl.ConnectionState) error { panic("on purpose") }
		s := startServer(t, serverConfig(t))
		ctx := newClientCtx(t, cli)
		live := ssl.ReadCounters().Conns
		if r := recovered(func() { ssl.Dial("tcp", s.Addr, ctx) }); r != "on purpose" {
			t.Errorf("recovered %v", r)
		}
		if now := ssl.ReadCounters().Conns; now.Closed == live.Closed {
			t.Error("Dial has not closed its Conn")
		}
	})
}

func TestNilConnsOfTheNetPackage(t *testing.T) {
	leakcheck.Test(t)
	ctx := newClientCtx(t, clientConfig(t))
	for _, c := range []net.Conn{(*net.TCPConn)(nil), (*net.UnixConn)(nil)} {
		if _, err := ssl.Client(c, ctx); !errors.Is(err, ssl.ErrNil) {
			t.Errorf("%T: %v, want ErrNil", c, err)
		}
	}
}

func TestConfigsThatCannotWork(t *testing.T) {
	leakcheck.Test(t)
	many := make([]string, 400)
	for i := range many {
		many[i] = strings.Repeat("x", 200)
	}
	for name, change := range map[string]func(*ssl.Config){
		"protocols":  func(c *ssl.Config) { c.NextProtos = many },
		"tickets":    func(c *ssl.Config) { c.NumTickets = 1 << 40 },
		"name, port": func(c *ssl.Config) { c.ServerName = "localhost:443" },
		"long name":  func(c *ssl.Config) { c.ServerName = strings.Repeat("a", 1<<20) },
	} {
		cfg := clientConfig(t)
		change(cfg)
		ctx, err := ssl.NewClientCtx(cfg)
		if !errors.Is(err, ssl.ErrConfig) || len(err.Error()) > 300 {
			t.Errorf("%s: %v, want a short ErrConfig", name, err)
		}
		ctx.Close()
	}
}
