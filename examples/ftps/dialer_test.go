package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jlaffaye/ftp"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
	"sessl/starttls"
)

// payload needs many records, and is larger than the sockets' buffers.
var payload = bytes.Repeat([]byte("session reuse required\n"), 100_000)

// forms runs test for each mode and version.
func forms(t *testing.T, test func(t *testing.T, s *vsftpd, d *dialer, version uint16)) {
	for _, implicit := range []bool{false, true} {
		for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
			t.Run(modeName(implicit)+" "+tls.VersionName(version), func(t *testing.T) {
				leakcheck.Test(t)
				roots := ssltest.Roots(t, "ca")
				client, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, MinVersion: version, MaxVersion: version})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { client.Close() })
				test(t, startVsftpd(t, implicit), &dialer{ssl: client, explicit: !implicit}, version)
			})
		}
	}
}

func login(t *testing.T, s *vsftpd, d *dialer) *ftp.ServerConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel) // closes open connections
	conn, err := d.connect(ctx, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Login("anonymous", s.pass); err != nil {
		t.Fatal(err)
	}
	return conn
}

// handshakes returns what the server has logged of each handshake: the version, and whether it
// was resumed.
func (s *vsftpd) handshakes(t *testing.T) []string {
	t.Helper()
	re := regexp.MustCompile(`SSL version: (\S+), SSL cipher: [^,]+, ((?:not )?reused)`)
	var all []string
	for _, m := range re.FindAllStringSubmatch(s.logged(t), -1) {
		all = append(all, m[1]+" "+m[2])
	}
	return all
}

// TestTransfers makes five data connections for one control connection. They offer the same
// session, in TLS 1.3 the same ticket: the first use does not use it up.
func TestTransfers(t *testing.T) {
	forms(t, func(t *testing.T, s *vsftpd, d *dialer, version uint16) {
		conn := login(t, s, d)
		before := sessionID(t, d.control)
		for name, content := range map[string][]byte{"large": payload, "empty": nil} {
			if err := conn.Stor(name, bytes.NewReader(content)); err != nil {
				t.Fatal(name, err)
			}
			if got, err := os.ReadFile(filepath.Join(s.root, name)); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: the server has %d bytes, %v; want the %d that were put", name, len(got), err, len(content))
			}
			r, err := conn.Retr(name)
			if err != nil {
				t.Fatal(name, err)
			}
			got, err := io.ReadAll(r)
			if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: got %d bytes, %v; want the %d that were put", name, len(got), err, len(content))
			}
		}
		names, err := conn.NameList(s.root)
		if err != nil || len(names) != 2 {
			t.Errorf("%q, %v in the list, want two names", names, err)
		}
		if !bytes.Equal(before, sessionID(t, d.control)) {
			t.Error("the control connection's session is another one now")
		}
		if err := conn.Quit(); err != nil {
			t.Error(err)
		}

		v := map[uint16]string{ssl.VersionTLS12: "TLSv1.2", ssl.VersionTLS13: "TLSv1.3"}[version]
		want := v + " not reused" + strings.Repeat(", "+v+" reused", 5)
		if got := strings.Join(s.handshakes(t), ", "); got != want {
			t.Errorf("the server says %s\nwant %s", got, want)
		}
	})
}

func sessionID(t *testing.T, c *ssl.Conn) (id []byte) {
	t.Helper()
	if err := c.WithSession(func(s *ssl.BorrowedSession) (err error) {
		id, err = s.ID()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestNoReuseIsRefused shows that the server of TestTransfers really demands the session.
func TestNoReuseIsRefused(t *testing.T) {
	forms(t, func(t *testing.T, s *vsftpd, d *dialer, version uint16) {
		if err := os.WriteFile(filepath.Join(s.root, "there"), payload, 0o644); err != nil {
			t.Fatal(err)
		}
		// vsftpd ends the control connection too, so each transfer has one of its own.
		get, put := *d, *d
		get.noReuse, put.noReuse = true, true
		r, err := login(t, s, &get).Retr("there")
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(r)
		if err := r.Close(); !refused(err) || len(got) != 0 {
			t.Errorf("download: %d bytes, %v; want none and a refusal", len(got), err)
		}
		if err := login(t, s, &put).Stor("new", bytes.NewReader(payload)); !refused(err) {
			t.Errorf("upload: %v, want a refusal", err)
		}
		if got, err := os.ReadFile(filepath.Join(s.root, "new")); err != nil || len(got) != 0 {
			t.Errorf("the server has %d bytes, %v; want an empty file", len(got), err)
		}
		if n := strings.Count(s.logged(t), "No SSL session reuse on data channel"); n != 2 {
			t.Errorf("the server says so %d times, want 2", n)
		}
	})
}

// A server that does not offer TLS gets no password in the clear.
func TestNoTLSIsRefused(t *testing.T) {
	leakcheck.Test(t)
	client := ssltest.NewClientCtx(t, &ssl.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(heard)
			return
		}
		defer c.Close()
		io.WriteString(c, "220 hello\r\n502 what?\r\n")
		all, _ := io.ReadAll(c)
		heard <- all
	}()
	d := dialer{ssl: client, explicit: true}
	if _, err := d.connect(t.Context(), l.Addr().String()); !errors.Is(err, starttls.ErrNotOffered) {
		t.Errorf("%v, want %v", err, starttls.ErrNotOffered)
	}
	if got := string(<-heard); got != "AUTH TLS\r\n" {
		t.Errorf("the server heard %q", got)
	}
}

// TestContextEndsConnect stalls in the middle of the greeting, and of the handshake.
func TestContextEndsConnect(t *testing.T) {
	for _, explicit := range []bool{true, false} {
		t.Run(modeName(!explicit), func(t *testing.T) {
			leakcheck.Test(t)
			client := ssltest.NewClientCtx(t, &ssl.Config{})
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			held := make(chan net.Conn, 1)
			go func() {
				if c, err := l.Accept(); err == nil {
					io.WriteString(c, "2") // neither the greeting nor the handshake ends here
					held <- c
				}
				cancel()
			}()
			d := dialer{ssl: client, explicit: explicit}
			if _, err := d.connect(ctx, l.Addr().String()); !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want %v", err, context.Canceled)
			}
			(<-held).Close()
		})
	}
}
