package conns_test

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
	"sessl/internal/ssltest"
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
	labels13 = []string{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
		"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET"}
	keyLine = regexp.MustCompile(`^([A-Z_0-9]+) ([0-9a-f]{64}) (([0-9a-f]{2}){32,48})\n$`)
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
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		var client, server keyLog
		cli.KeyLogWriter, srv.KeyLogWriter = &client, &server
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		var offer *ssl.Session
		for i := range 2 {
			p := ssltest.Meet(t, cctx, sctx, offer)
			if p.Client.SessionReused() != (i > 0) {
				t.Errorf("connection %d: reused is %t", i, p.Client.SessionReused())
			}
			offer = ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			client.check(t, fm.Version)
			server.check(t, fm.Version)
			if !slices.Equal(sorted(client.lines), sorted(server.lines)) {
				t.Error("the two ends do not agree")
			}
			client.lines, server.lines = nil, nil
		}
	})
}

// crypto/tls, which has its own code for it, logs the same.
func TestKeyLogAgreesWithCryptoTLS(t *testing.T) {
	for _, v := range ssltest.Versions {
		leakcheck.Test(t)
		var ours, theirs keyLog
		cli := ssltest.ClientConfig(t)
		cli.MaxVersion, cli.KeyLogWriter = v, &ours
		_, _, _, cerr, serr := ssltest.StdServer(t, cli, &tls.Config{KeyLogWriter: &theirs})
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
	for _, v := range ssltest.Versions {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		cli.MaxVersion, cli.KeyLogWriter, srv.KeyLogWriter = v, &log, &log
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		for range each {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			wg.Go(func() {
				if c, s := p.Shake(); c != nil || s != nil {
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
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	var log keyLog
	cli.KeyLogWriter, cli.ServerName, cli.MinVersion = &log, "other.test", ssl.VersionTLS13
	cerr, _ := ssltest.NewTCPPair(t, cli, srv).Shake()
	if ssltest.VerifyCode(cerr) != ssltest.HostnameMismatch || len(log.lines) == 0 ||
		!strings.HasPrefix(log.lines[0], "SERVER_HANDSHAKE_TRAFFIC_SECRET ") {
		t.Errorf("%v, and %d lines, want the secret that the certificate came under", cerr, len(log.lines))
	}
}

// An error of the writer ends the handshake, and delivers no session.
func TestKeyLogError(t *testing.T) {
	full := errors.New("disk full")
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		box := ssltest.NewInbox(t, cli)
		for what, log := range map[string]*keyLog{"error": {fail: full}, "short write": {fail: io.ErrShortWrite}} {
			cli.KeyLogWriter = log
			p := ssltest.NewTCPPair(t, cli, srv)
			cerr, _ := p.ShakeUntilClosed()
			ssltest.Refuses(t, what, cerr, log.fail)
			if again := p.Client.Handshake(); !errors.Is(again, log.fail) {
				t.Errorf("%s: the second call says %v", what, again)
			}
			if n := len(box.All()); n != 0 {
				t.Errorf("%s: %d sessions", what, n)
			}
		}
	})
}

// A panic of the writer goes on to the caller of Handshake, and no other call waits.
func TestKeyLogPanic(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		log := keyLog{on: func() { panic("writer") }}
		cli.KeyLogWriter = &log
		p := ssltest.NewTCPPair(t, cli, srv)
		func() {
			defer func() {
				if r := recover(); r != "writer" {
					t.Errorf("recovered %v", r)
				}
			}()
			go p.Server.Handshake()
			p.Client.Handshake()
		}()
		p.CloseBoth()
		log.on = nil
		ssltest.NewTCPPair(t, cli, srv).MustShake(t)
		log.check(t, cli.MaxVersion)
	})
}

// The writer may use the connection: no lock is held.
func TestKeyLogWriterUsesConn(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		var p ssltest.Pair
		log := keyLog{on: func() {
			p.Client.ConnectionState()
			if _, err := p.Client.Session(); !errors.Is(err, ssl.ErrNoSession) {
				t.Errorf("Session inside: %v", err)
			}
			p.Client.Pending()
		}}
		cli.KeyLogWriter = &log
		p = ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		log.check(t, cli.MaxVersion)
	})
}

// What the writer was given is gone afterwards: nothing keeps the secrets.
func TestKeyLogIsWiped(t *testing.T) {
	leakcheck.Test(t)
	var kept [][]byte
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	cli.KeyLogWriter = writerFunc(func(b []byte) (int, error) {
		kept = append(kept, b) // which a Writer must not do
		return len(b), nil
	})
	ssltest.NewTCPPair(t, cli, srv).MustShake(t)
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
	ssltest.Session(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t)) // no log is asked for
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the variable alone has made a log: %v", err)
	}
	for i := range 2 {
		w, err := ssl.KeyLogFromEnvironment()
		if err != nil {
			t.Fatal(err)
		}
		cli := ssltest.ClientConfig(t)
		cli.KeyLogWriter = w
		ssltest.NewTCPPair(t, cli, ssltest.ServerConfig(t)).MustShake(t)
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
