package ssl_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// keyLog collects lines. It has no lock: the package promises one Write at a time.
type keyLog struct {
	lines []string
	fail  error
	on    func()
}

func (l *keyLog) Write(b []byte) (int, error) {
	if l.on != nil {
		l.on()
	}
	if l.fail != nil {
		return 0, l.fail
	}
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

var (
	labels12 = []string{"CLIENT_RANDOM"}
	labels13 = []string{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET"}
	keyLine  = regexp.MustCompile(`^([A-Z_0-9]+) ([0-9a-f]{64}) (([0-9a-f]{2}){32,48})\n$`)
)

func labelsOf(version uint16) []string {
	if version == ssl.VersionTLS13 {
		return labels13
	}
	return labels12
}

// check wants the lines of one connection, in some order, each a Write of its own.
func (l *keyLog) check(t *testing.T, version uint16) {
	t.Helper()
	want := slices.Sorted(slices.Values(labelsOf(version)))
	var got, randoms []string
	for _, line := range l.lines {
		m := keyLine.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("not a line of a key log: %q", line)
			continue
		}
		got = append(got, m[1])
		randoms = append(randoms, m[2])
	}
	slices.Sort(got)
	slices.Sort(randoms)
	if !slices.Equal(got, want) || len(slices.Compact(randoms)) != 1 {
		t.Errorf("labels %v, want %v, all with one client random: %d", got, want, len(slices.Compact(randoms)))
	}
}

func sorted(lines []string) []string { return slices.Sorted(slices.Values(lines)) }

// Both ends log the same secrets, on first and on resumed connections.
func TestKeyLog(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		var client, server keyLog
		cli.KeyLogWriter, srv.KeyLogWriter = &client, &server
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		var offer *ssl.Session
		for i := range 2 {
			p := meet(t, cctx, sctx, offer)
			if p.client.SessionReused() != (i > 0) {
				t.Errorf("connection %d: reused is %t", i, p.client.SessionReused())
			}
			offer = sessionOf(t, p.client)
			p.closeBoth()
			client.check(t, fm.version)
			server.check(t, fm.version)
			if !slices.Equal(sorted(client.lines), sorted(server.lines)) {
				t.Error("the two ends do not agree")
			}
			client.lines, server.lines = nil, nil
		}
	})
}

// crypto/tls, which has its own code for it, logs the same.
func TestKeyLogAgreesWithCryptoTLS(t *testing.T) {
	for _, v := range versions {
		leakcheck.Test(t)
		var ours, theirs keyLog
		cli := clientConfig(t)
		cli.MaxVersion, cli.KeyLogWriter = v, &ours
		_, _, _, cerr, serr := stdServer(t, cli, &tls.Config{KeyLogWriter: &theirs})
		if cerr != nil || serr != nil {
			t.Fatalf("client %v, server %v", cerr, serr)
		}
		ours.check(t, v)
		if len(theirs.lines) == 0 {
			t.Error("crypto/tls has logged nothing")
		}
		for _, line := range theirs.lines {
			if !slices.Contains(ours.lines, line) {
				t.Errorf("%s: not among ours: %q", ssl.VersionName(v), strings.Fields(line)[0])
			}
		}
	}
}

// Connections of several goroutines and Ctxs that share a writer call it one at a time.
func TestKeyLogOfManyConnections(t *testing.T) {
	leakcheck.Test(t)
	var log keyLog
	const each = 10
	var wg sync.WaitGroup
	for _, v := range versions {
		srv, cli := serverConfig(t), clientConfig(t)
		cli.MaxVersion, cli.KeyLogWriter, srv.KeyLogWriter = v, &log, &log
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		for range each {
			a, b := tcpPipe(t)
			p := newPair(t, cctx, sctx, a, b)
			wg.Go(func() {
				if c, s := p.shake(); c != nil || s != nil {
					t.Errorf("client %v, server %v", c, s)
				}
			})
		}
	}
	wg.Wait()
	if want := 2 * each * (len(labels12) + len(labels13)); len(log.lines) != want {
		t.Errorf("%d lines, want %d", len(log.lines), want)
	}
	for _, line := range log.lines {
		if !keyLine.MatchString(line) {
			t.Errorf("not a line: %q", line)
		}
	}
}

// A handshake that fails has logged what there was: that is when it is needed.
func TestKeyLogOfFailure(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	var log keyLog
	cli.KeyLogWriter, cli.ServerName, cli.MinVersion = &log, "other.test", ssl.VersionTLS13
	cerr, _ := newTCPPair(t, cli, srv).shake()
	if verifyCode(cerr) != hostnameMismatch || len(log.lines) == 0 || !strings.HasPrefix(log.lines[0], "SERVER_HANDSHAKE_TRAFFIC_SECRET ") {
		t.Errorf("%v, and %d lines, want the secret that the certificate came under", cerr, len(log.lines))
	}
}

// An error of the writer ends the handshake, and delivers no session.
func TestKeyLogError(t *testing.T) {
	full := errors.New("disk full")
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		box := newInbox(t, cli)
		for what, log := range map[string]*keyLog{"error": {fail: full}, "short write": {fail: io.ErrShortWrite}} {
			cli.KeyLogWriter = log
			p := newTCPPair(t, cli, srv)
			cerr, _ := p.shakeUntilClosed()
			refuses(t, what, cerr, log.fail)
			if again := p.client.Handshake(); !errors.Is(again, log.fail) {
				t.Errorf("%s: the second call says %v", what, again)
			}
			if n := len(box.all()); n != 0 {
				t.Errorf("%s: %d sessions", what, n)
			}
		}
	})
}

// shakeUntilClosed is shake for a client that fails after its part is done: the server may
// be waiting for what does not come.
func (p pair) shakeUntilClosed() (client, server error) {
	done := make(chan error)
	go func() { done <- p.server.Handshake() }()
	client = p.client.Handshake()
	if client != nil {
		p.client.NetConn().Close()
	}
	return client, <-done
}

// A panic of the writer goes on to the caller of Handshake, and holds nobody else up.
func TestKeyLogPanic(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		log := keyLog{on: func() { panic("writer") }}
		cli.KeyLogWriter = &log
		p := newTCPPair(t, cli, srv)
		func() {
			defer func() {
				if r := recover(); r != "writer" {
					t.Errorf("recovered %v", r)
				}
			}()
			go p.server.Handshake()
			p.client.Handshake()
		}()
		p.closeBoth()
		log.on = nil
		newTCPPair(t, cli, srv).mustShake(t)
		log.check(t, cli.MaxVersion)
	})
}

// The writer may use the connection: no lock is held.
func TestKeyLogWriterUsesConn(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		var p pair
		log := keyLog{on: func() {
			p.client.ConnectionState()
			if _, err := p.client.Session(); !errors.Is(err, ssl.ErrNoSession) {
				t.Errorf("Session inside: %v", err)
			}
			p.client.Pending()
		}}
		cli.KeyLogWriter = &log
		p = newTCPPair(t, cli, srv)
		p.mustShake(t)
		log.check(t, cli.MaxVersion)
	})
}

// What the writer was given is gone afterwards: nothing keeps the secrets.
func TestKeyLogIsWiped(t *testing.T) {
	leakcheck.Test(t)
	var kept [][]byte
	srv, cli := serverConfig(t), clientConfig(t)
	cli.KeyLogWriter = writerFunc(func(b []byte) (int, error) {
		kept = append(kept, b) // which a Writer must not do
		return len(b), nil
	})
	newTCPPair(t, cli, srv).mustShake(t)
	if len(kept) != len(labels13) {
		t.Errorf("%d lines", len(kept))
	}
	for _, b := range kept {
		if len(bytes.Trim(b, "\x00")) > 0 {
			t.Errorf("%d bytes are left", len(b))
		}
	}
}

func TestKeyLogFromEnvironment(t *testing.T) {
	leakcheck.Test(t)
	t.Setenv("SSLKEYLOGFILE", "")
	if w, err := ssl.KeyLogFromEnvironment(); w != nil || err != nil {
		t.Errorf("unset: %v, %v", w, err)
	}
	name := filepath.Join(t.TempDir(), "keys.log")
	t.Setenv("SSLKEYLOGFILE", name)
	session(t, clientConfig(t), serverConfig(t)) // nobody has asked for a log
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the variable alone has made a log: %v", err)
	}
	for i := range 2 {
		w, err := ssl.KeyLogFromEnvironment()
		if err != nil {
			t.Fatal(err)
		}
		cli := clientConfig(t)
		cli.KeyLogWriter = w
		newTCPPair(t, cli, serverConfig(t)).mustShake(t)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		data, err := os.ReadFile(name)
		if n := bytes.Count(data, []byte("\n")); err != nil || n != (i+1)*len(labels13) {
			t.Errorf("%d lines after %d connections, %v", n, i+1, err)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	t.Setenv("SSLKEYLOGFILE", filepath.Join(name, "below"))
	w, err := ssl.KeyLogFromEnvironment()
	var perr *fs.PathError
	if w != nil || !errors.As(err, &perr) {
		t.Errorf("%v, %v", w, err)
	}
}
