package sessions_test

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
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestNilArguments(t *testing.T) {
	leakcheck.Test(t)
	client, server := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)),
		ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
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
	ctxErr := p.Client.HandshakeContext(noContext)
	ssltest.RefusesAll(t, []ssltest.Refusal{
		{"Client(nil, ctx)", ssltest.ErrorAlone(ssl.Client(nil, client)), ssl.ErrNil},
		{"Client(conn, nil)", ssltest.ErrorAlone(ssl.Client(a, nil)), ssl.ErrNil},
		{"Server(nil, ctx)", ssltest.ErrorAlone(ssl.Server(nil, server)), ssl.ErrNil},
		{"Server(conn, nil)", ssltest.ErrorAlone(ssl.Server(a, nil)), ssl.ErrNil},
		{"Dial with nil", ssltest.ErrorAlone(ssl.Dial("tcp", "127.0.0.1:1", nil)), ssl.ErrNil},
		{"Listen with nil", ssltest.ErrorAlone(ssl.Listen("tcp", "127.0.0.1:0", nil)), ssl.ErrNil},
		{"NewServerCtx(nil)", ssltest.ErrorAlone(ssl.NewServerCtx(nil)), ssl.ErrNil},
		{"SetSession(nil)", p.Client.SetSession(nil), ssl.ErrNil},
		{"SetSharedSession(nil)", p.Client.SetSharedSession(nil), ssl.ErrNil},
		{"WithSession(nil)", p.Client.WithSession(nil), ssl.ErrNil},
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
		{"Session of nil", ssltest.ErrorAlone(noConn.Session()), ssl.ErrNil},
		{"SetSession of nil", noConn.SetSession(s), ssl.ErrNil},
		{"SetSharedSession of nil", noConn.SetSharedSession(s), ssl.ErrNil},
		{"WithSession of nil", noConn.WithSession(func(*ssl.BorrowedSession) error { return nil }), ssl.ErrNil},
	})
	if err := errors.Join(noCtx.Close(), noConn.Close()); err != nil {
		t.Errorf("Close of nil: %v", err)
	}
	for what, call := range map[string]func([]byte) (int, error){"ReadEarlyData": noConn.ReadEarlyData,
		"WriteEarlyData": noConn.WriteEarlyData} {
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
func connCalls(c *ssl.Conn, s *ssl.Session) []ssltest.Refusal {
	_, readErr := c.Read(make([]byte, 1))
	_, writeErr := c.Write(make([]byte, 1))
	return []ssltest.Refusal{
		{"Read", readErr, ssl.ErrClosed},
		{"Write", writeErr, ssl.ErrClosed},
		{"WriteEarlyData", ssltest.ErrorAlone(c.WriteEarlyData(make([]byte, 1))), ssl.ErrClosed},
		{"Handshake", c.Handshake(), ssl.ErrClosed},
		{"CloseWrite", c.CloseWrite(), ssl.ErrClosed},
		{"SetDeadline", c.SetDeadline(time.Time{}), ssl.ErrClosed},
		{"SetReadDeadline", c.SetReadDeadline(time.Time{}), ssl.ErrClosed},
		{"SetWriteDeadline", c.SetWriteDeadline(time.Time{}), ssl.ErrClosed},
		{"Session", ssltest.ErrorAlone(c.Session()), ssl.ErrClosed},
		{"SetSession", c.SetSession(s), ssl.ErrClosed},
		{"SetSharedSession", c.SetSharedSession(s), ssl.ErrClosed},
		{"WithSession", c.WithSession(func(*ssl.BorrowedSession) error { return nil }), ssl.ErrClosed},
	}
}

func TestClosedConn(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	early := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	early.CloseBoth()
	for _, a := range connCalls(early.Client, s) {
		ssltest.Refuses(t, a.What+" before the handshake", a.Err, a.Want)
		if !errors.Is(a.Err, net.ErrClosed) {
			t.Errorf("%s: %v is no net.ErrClosed", a.What, a.Err)
		}
	}
	late := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	late.MustShake(t)
	late.Echo(t)
	late.CloseBoth()
	for _, a := range connCalls(late.Client, s) {
		if a.What == "Handshake" {
			if a.Err != nil {
				t.Errorf("Handshake after its success and Close: %v", a.Err)
			}
			continue
		}
		ssltest.Refuses(t, a.What+" after the handshake", a.Err, a.Want)
	}
	if err := late.Client.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if !late.Client.ConnectionState().Verified {
		t.Error("the state went with the connection")
	}
}

func TestZeroConn(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	c := new(ssl.Conn)
	ssltest.RefusesAll(t, connCalls(c, s))
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	ssltest.RefusesAll(t, connCalls(c, s))
}

func TestClosedCtx(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	client, server := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)),
		ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
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
		ssltest.RefusesAll(t, []ssltest.Refusal{
			{what + ": AddSession", addErr, ssl.ErrClosed},
			{what + ": RemoveSession", removeErr, ssl.ErrClosed},
			{what + ": FlushSessions", ctx.FlushSessions(time.Time{}), ssl.ErrClosed},
			{what + ": SessionStats", statsErr, ssl.ErrClosed},
		})
	}
	ssltest.RefusesAll(t, []ssltest.Refusal{
		{"Client", ssltest.ErrorAlone(ssl.Client(a, client)), ssl.ErrClosed},
		{"Server", ssltest.ErrorAlone(ssl.Server(b, server)), ssl.ErrClosed},
		{"Dial", ssltest.ErrorAlone(ssl.Dial(l.Addr().Network(), l.Addr().String(), client)), ssl.ErrClosed},
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
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	s.Close()
	server := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	for what, s := range map[string]*ssl.Session{"closed": s, "zero": new(ssl.Session)} {
		_, addErr := server.AddSession(s)
		_, removeErr := server.RemoveSession(s)
		ssltest.RefusesAll(t, []ssltest.Refusal{
			{what + ": SetSession", p.Client.SetSession(s), ssl.ErrClosed},
			{what + ": SetSharedSession", p.Client.SetSharedSession(s), ssl.ErrClosed},
			{what + ": AddSession", addErr, ssl.ErrClosed},
			{what + ": RemoveSession", removeErr, ssl.ErrClosed},
		})
	}
	if p.Client.SessionOffered() {
		t.Error("a refused session is offered")
	}
}

// The wrong side, the wrong moment, the wrong Ctx.
func TestWrongPlace(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		s := ssltest.Session(t, cli, srv)
		free := ssltest.Dup(t, s)
		p := ssltest.NewTCPPair(t, cli, srv)
		empty := ssltest.MustNew(t)
		defer empty.Close()
		none := func(*ssl.BorrowedSession) error { t.Error("called"); return nil }
		ssltest.RefusesAll(t, []ssltest.Refusal{
			{"SetSession on a server", p.Server.SetSession(s), ssl.ErrServer},
			{"SetSharedSession on a server", p.Server.SetSharedSession(s), ssl.ErrServer},
			{"SetSharedSession of another Ctx", p.Client.SetSharedSession(s), ssl.ErrSessionCtx},
			{"SetSession of an empty one", p.Client.SetSession(empty), ssl.ErrNotResumable},
			{"SetSharedSession of an empty one", p.Client.SetSharedSession(empty), ssl.ErrNotResumable},
			{"Session before the handshake", ssltest.ErrorAlone(p.Client.Session()), ssl.ErrNoSession},
			{"server's Session before the handshake", ssltest.ErrorAlone(p.Server.Session()), ssl.ErrNoSession},
			{"WithSession before the handshake", p.Client.WithSession(none), ssl.ErrNoSession},
			{"CloseWrite before the handshake", p.Client.CloseWrite(), ssl.ErrHandshakeIncomplete},
		})
		if p.Client.SessionOffered() {
			t.Error("a refused session is offered")
		}
		if err := p.Client.SetSharedSession(free); err != nil {
			t.Errorf("a copy belongs to any Ctx: %v", err)
		}
		p.MustShake(t)
		ssltest.RefusesAll(t, []ssltest.Refusal{
			{"SetSession after the handshake", p.Client.SetSession(s), ssl.ErrHandshakeStarted},
			{"SetSharedSession after the handshake", p.Client.SetSharedSession(s), ssl.ErrHandshakeStarted},
		})
		sc, cc := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		_, addErr := sc.AddSession(s)
		_, removeErr := sc.RemoveSession(s)
		_, emptyErr := sc.AddSession(empty)
		_, clientErr := cc.AddSession(free)
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		ssltest.RefusesAll(t, []ssltest.Refusal{
			{"AddSession of another Ctx", addErr, ssl.ErrSessionCtx},
			{"RemoveSession of another Ctx", removeErr, ssl.ErrSessionCtx},
			{"AddSession of an empty one", emptyErr, ssl.ErrNotResumable},
			{"AddSession to a client", clientErr, ssl.ErrClient},
			{"Client of a server's Ctx", ssltest.ErrorAlone(ssl.Client(a, sc)), ssl.ErrServer},
			{"Server of a client's Ctx", ssltest.ErrorAlone(ssl.Server(b, cc)), ssl.ErrClient},
			{"Dial with a server's Ctx", dialServerCtx(t, sc), ssl.ErrServer},
			{"Listen with a client's Ctx", ssltest.ErrorAlone(ssl.Listen("tcp", "127.0.0.1:0", cc)), ssl.ErrClient},
			{"FlushSessions before 1970", sc.FlushSessions(time.Unix(-1, 0)), ssl.ErrRange},
			{"FlushSessions after 2554", sc.FlushSessions(time.Unix(1<<40, 0)), ssl.ErrRange},
		})
		if !ssltest.Get(t, s.Resumable) {
			t.Error("a refused call marked the session")
		}
	})
}

// dialServerCtx dials a listener.
func dialServerCtx(t *testing.T, ctx *ssl.Ctx) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return ssltest.ErrorAlone(ssl.Dial("tcp", l.Addr().String(), ctx))
}

func TestBadDER(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		good := ssltest.Marshal(t, ssltest.Session(t, cli, srv))
		before := ssl.ReadCounters()
		for n := range good {
			s, err := ssl.ParseSession(good[:n])
			if s != nil {
				s.Close()
			}
			ssltest.Refuses(t, "truncated", err, ssl.ErrMalformed)
		}
		ssltest.Refuses(t, "nil", ssltest.ErrorAlone(ssl.ParseSession(nil)), ssl.ErrMalformed)
		for _, extra := range [][]byte{{0}, {0, 0}, good, bytes.Repeat([]byte{0x30}, 1000)} {
			ssltest.Refuses(t, "trailing bytes",
				ssltest.ErrorAlone(ssl.ParseSession(append(good[:len(good):len(good)], extra...))), ssl.ErrTrailingData)
		}
		ssltest.Refuses(t, "5 MB of zeros", ssltest.ErrorAlone(ssl.ParseSession(make([]byte, 5<<20))),
			ssl.ErrTooLarge)
		ssltest.Refuses(t, "a byte too many",
			ssltest.ErrorAlone(ssl.ParseSession(make([]byte, ssl.MaxEncodedSession+1))), ssl.ErrTooLarge)
		ssltest.Refuses(t, "zeros up to the limit",
			ssltest.ErrorAlone(ssl.ParseSession(make([]byte, ssl.MaxEncodedSession))), ssl.ErrMalformed)
		ssltest.Refuses(t, "an endless sequence", ssltest.ErrorAlone(ssl.ParseSession([]byte{0x30, 0x84, 0xff, 0xff,
			0xff, 0xff, 2, 1, 1})), ssl.ErrMalformed)
		ssltest.Refuses(t, "PEM",
			ssltest.ErrorAlone(ssl.ParseSession([]byte("-----BEGIN "+ssltest.PEMType+"-----\n"))), ssl.ErrMalformed)
		random := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			b := make([]byte, random.IntN(300))
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			ssltest.Refuses(t, "random bytes", ssltest.ErrorAlone(ssl.ParseSession(b)), ssl.ErrMalformed)
		}
		if got := ssltest.Since(before); got.Created != got.Freed || got.Opened != got.Closed {
			t.Errorf("left behind: %+v", got)
		}
	})
}

// One byte changed anywhere: refused, or a session that works like any other.
func TestDamagedDER(t *testing.T) {
	leakcheck.Test(t)
	good := ssltest.Marshal(t, ssltest.FilledSession(t, ssl.VersionTLS12))
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
	if got := ssltest.Since(before); got.Created != got.Freed || got.Opened != got.Closed {
		t.Errorf("left behind: %+v", got)
	}
}

func TestBadPEM(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	der, good := ssltest.Marshal(t, s), ssltest.MarshalPEM(t, s)
	encode := func(kind string, headers map[string]string, b []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: b})
	}
	encrypted := map[string]string{"Proc-Type": "4,ENCRYPTED",
		"DEK-Info": "AES-256-CBC,00112233445566778899AABBCCDDEEFF"}
	before := ssl.ReadCounters()
	for what, text := range map[string][]byte{
		"nil":                 nil,
		"empty":               {},
		"text":                []byte("no PEM at all"),
		"DER":                 der,
		"NUL bytes":           make([]byte, 100),
		"a certificate":       encode("CERTIFICATE", nil, der),
		"a private key":       encode("PRIVATE KEY", nil, der),
		"nearly the label":    encode(ssltest.PEMType+"S", nil, der),
		"an empty block":      encode(ssltest.PEMType, nil, nil),
		"a truncated session": encode(ssltest.PEMType, nil, der[:len(der)-1]),
		"encrypted":           encode(ssltest.PEMType, encrypted, bytes.Repeat([]byte{1}, 64)),
		"an unknown cipher": encode(ssltest.PEMType, map[string]string{"Proc-Type": "4,ENCRYPTED",
			"DEK-Info": "NONE,00"}, der),
		"no end":      good[:bytes.LastIndex(good, []byte("-----END"))],
		"another end": bytes.Replace(good, []byte("END SSL"), []byte("END SSH"), 1),
		"no base64":   bytes.Replace(good, []byte("\n"), []byte("\n!!!!"), 2),
	} {
		ssltest.Refuses(t, what, ssltest.ErrorAlone(ssl.ParseSessionPEM(text)), ssl.ErrMalformed)
	}
	for n := range len(good) - len("-\n") {
		ssltest.Refuses(t, "truncated", ssltest.ErrorAlone(ssl.ParseSessionPEM(good[:n])), ssl.ErrMalformed)
	}
	ssltest.Refuses(t, "trailing bytes", ssltest.ErrorAlone(ssl.ParseSessionPEM(encode(ssltest.PEMType, nil,
		append(der[:len(der):len(der)], 5, 0)))), ssl.ErrTrailingData)
	ssltest.Refuses(t, "5 MB", ssltest.ErrorAlone(ssl.ParseSessionPEM([]byte(strings.Repeat("A", 5<<20)))),
		ssl.ErrTooLarge)
	if got := ssltest.Since(before); got.Created != got.Freed || got.Opened != got.Closed {
		t.Errorf("left behind: %+v", got)
	}
}

// A Conn is printed by its ends, whatever the verb, also while it is in use.
func TestConnFormatsWithoutBeingWalked(t *testing.T) {
	leakcheck.Test(t)
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	p.MustShake(t)
	want := fmt.Sprintf("ssl.Conn(%v, %v)", p.Client.LocalAddr(), p.Client.RemoteAddr())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, p.Client); got != want {
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
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
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
		cli := ssltest.ClientConfig(t)
		cli.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { s.Close(); panic("on purpose") }
		s := ssltest.StartServer(t, ssltest.ServerConfig(t))
		c, err := ssl.Dial("tcp", s.Addr, ssltest.NewClientCtx(t, cli))
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
		cli := ssltest.ClientConfig(t)
		cli.VerifyConnection = func(ssl.ConnectionState) error { panic("on purpose") }
		s := ssltest.StartServer(t, ssltest.ServerConfig(t))
		ctx := ssltest.NewClientCtx(t, cli)
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
	ctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
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
		cfg := ssltest.ClientConfig(t)
		change(cfg)
		ctx, err := ssl.NewClientCtx(cfg)
		if !errors.Is(err, ssl.ErrConfig) || len(err.Error()) > 300 {
			t.Errorf("%s: %v, want a short ErrConfig", name, err)
		}
		ctx.Close()
	}
}
