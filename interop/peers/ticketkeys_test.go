package peers

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/interop/visits"
	"sessl/ssl"
)

var nginxSays = regexp.MustCompile(`ssl_session_reused=(?:(r)|\.) TLSv1\.\d`)

// nginxContext is the session id context of nginx's http: a hash of the word HTTP, of the hash
// of each certificate, and of the names of client CAs if there are any.
func nginxContext(t *testing.T) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(read(t, "server-ecdsa.pem")))
	leaf := sha1.Sum(block.Bytes)
	sum := sha1.Sum(append([]byte("HTTP"), leaf[:]...))
	return sum[:]
}

// haproxyContext is the session id context of haproxy.
var haproxyContext = []byte("haproxy")

func nginxWithKeys(t *testing.T, f form, files ...string) *process {
	return nginxWith(t, f,
		"ssl_prefer_server_ciphers on; ssl_conf_command Ciphersuites "+dbtest.Suites+";\n", files...)
}

func nginxWith(t *testing.T, f form, lines string, files ...string) *process {
	dir := t.TempDir()
	for _, file := range files {
		lines += "ssl_session_ticket_key " + file + ";\n"
	}
	text := strings.Replace(nginxConf(dir, f.number(), "on", "off"), "default_type", lines+"default_type", 1)
	return nginxOf(t, dir, text)
}

func haproxyWithKeys(t *testing.T, f form, files ...string) *process {
	dir := t.TempDir()
	addr, socket := listen(t)
	both := filepath.Join(dir, "both.pem")
	write(t, both, read(t, "server-ecdsa.pem")+read(t, "server-ecdsa.key"))
	conf := filepath.Join(dir, "haproxy.cfg")
	write(t, conf,
		fmt.Sprintf(haproxyConf, 0, both, f.number(), "ciphersuites "+dbtest.Suites+" tls-ticket-keys "+files[0]))
	return start(t, command(t, "haproxy", "-db", "-f", conf), addr, socket)
}

func random(t *testing.T, n int) []byte {
	t.Helper()
	k, err := ssl.NewTicketKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.SecretBytes()
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// sharers are the servers that share one file of ticket keys with ours. files makes it, with
// keys of the given number of bytes.
var sharers = []struct {
	name    string
	start   func(t *testing.T, f form, files ...string) *process
	says    *regexp.Regexp
	context func(t *testing.T) []byte
	files   func(t *testing.T, n int) []string
}{
	{"nginx", nginxWithKeys, nginxSays, nginxContext, func(t *testing.T, n int) []string {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		write(t, a, string(random(t, n)))
		write(t, b, string(random(t, n)))
		return []string{a, b}
	}},
	{"haproxy", haproxyWithKeys, regexp.MustCompile(`ssl_fc_is_resumed=(?:(1)|0) TLSv1\.\d`),
		func(*testing.T) []byte { return haproxyContext }, func(t *testing.T, n int) []string {
			file, lines := filepath.Join(t.TempDir(), "keys"), ""
			for range 4 { // one more than count
				lines += base64.StdEncoding.EncodeToString(random(t, n)) + "\n"
			}
			write(t, file, lines)
			return []string{file}
		}},
}

// oursWithKeys starts our server with the files, and returns its address.
func oursWithKeys(t *testing.T, f form, context []byte, files ...string) (*server, *ssl.TicketKeys) {
	t.Helper()
	keys, err := ssl.LoadTicketKeys(files...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	cert := ssltest.KeyPair(t, "server-ecdsa")
	return startServerWith(t,
		&ssl.Config{Certificates: []ssl.Certificate{cert}, MinVersion: f.version, MaxVersion: f.version,
			TicketKeys: keys, SessionIDContext: context}), keys
}

// visitor is a client that keeps its newest session.
type visitor struct {
	ctx    *ssl.Ctx
	newest *ssl.Session
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	ca := ssltest.Roots(t, "ca")
	v := &visitor{}
	var err error
	v.ctx, err = ssl.NewClientCtx(&ssl.Config{RootCAs: ca, ServerName: "localhost",
		OnNewSession: func(_ *ssl.Conn, s *ssl.Session) {
			v.newest.Close()
			v.newest = s
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.newest.Close()
		v.ctx.Close()
	})
	return v
}

// visit offers the newest session. The server must report what the client sees, and what is
// wanted.
func (v *visitor) visit(t *testing.T, what, addr string, says *regexp.Regexp, want bool) {
	t.Helper()
	answer, state := get(t, addr, v.ctx, v.newest)
	ws := words(answer, says)
	if len(ws) != 1 || ws[0].Resumed != want || state.DidResume != want {
		t.Errorf("%s: the server says %v, the client resumed=%t; want %t", what, ws, state.DidResume, want)
	}
}

var weSay = regexp.MustCompile(`resumed=(?:(true)|false)\n`)

// With the same file of keys and their session id context, a ticket of theirs resumes on our
// server, and the other way round. With another context, or another file, none does, and
// nothing fails.
func TestTicketKeysShared(t *testing.T) {
	for _, p := range sharers {
		for _, n := range []int{80, 48} {
			for _, f := range []form{ticket12, ticket13} {
				t.Run(fmt.Sprintf("%s/%d bytes/%s", p.name, n, f.name), func(t *testing.T) {
					leakcheck.Test(t)
					files := p.files(t, n)
					theirs := p.start(t, f, files...)
					ours, keys := oursWithKeys(t, f, p.context(t), files...)
					addr := "127.0.0.1:" + ours.port

					v := newVisitor(t)
					v.visit(t, "the first to theirs", theirs.addr, p.says, false)
					v.visit(t, "theirs to ours", addr, weSay, true)
					v.visit(t, "back to theirs", theirs.addr, p.says, true)
					v = newVisitor(t)
					v.visit(t, "the first to ours", addr, weSay, false)
					v.visit(t, "ours to theirs", theirs.addr, p.says, true)
					if st := keys.Stats(); st.Resumed != 1 || st.Unknown+st.Declined != 0 {
						t.Errorf("%+v", st)
					}

					other, keys := oursWithKeys(t, f, nil, files...)
					v.visit(t, "to ours of another context", "127.0.0.1:"+other.port, weSay, false)
					v.visit(t, "and back", theirs.addr, p.says, false)
					if st := keys.Stats(); st.Declined != 1 {
						t.Errorf("another context: %+v", st)
					}
					stranger, keys := oursWithKeys(t, f, p.context(t), p.files(t, n)...)
					v.visit(t, "to ours with other keys", "127.0.0.1:"+stranger.port, weSay, false)
					if st := keys.Stats(); st.Unknown != 1 {
						t.Errorf("other keys: %+v", st)
					}
					for _, s := range []*server{ours, other, stranger} {
						s.finish(t)
					}
				})
			}
		}
	}
}

// Rotation across the two: a ticket whose key is old or next for one server is renewed by the
// other.
func TestTicketKeysRotatedByNginx(t *testing.T) {
	for _, f := range []form{ticket12, ticket13} {
		t.Run(f.name, func(t *testing.T) {
			leakcheck.Test(t)
			files := sharers[0].files(t, 80)
			theirs := nginxWithKeys(t, f, files...)
			turned := slices.Clone(files)
			slices.Reverse(turned) // their old key becomes the current one
			ours, keys := oursWithKeys(t, f, nginxContext(t), turned...)
			v := newVisitor(t)
			v.visit(t, "the first to theirs", theirs.addr, nginxSays, false)
			v.visit(t, "theirs to ours", "127.0.0.1:"+ours.port, weSay, true)
			if st := keys.Stats(); st.Renewed != 1 || st.Resumed != 0 || st.Issued == 0 {
				t.Errorf("%+v", st)
			}
			v.visit(t, "the renewed one to theirs", theirs.addr, nginxSays, true)
			ours.finish(t)
		})
	}
}

// The same, as reported by a client that is not ours, from process to process.
func TestTicketKeysSClient(t *testing.T) {
	for _, f := range []form{ticket12, ticket13} {
		t.Run(f.name, func(t *testing.T) {
			leakcheck.Test(t)
			files := sharers[0].files(t, 80)
			theirs := nginxWithKeys(t, f, files...)
			ours, _ := oursWithKeys(t, f, nginxContext(t), files...)
			file := filepath.Join(t.TempDir(), "session.pem")
			for i, to := range [][]string{{"-unix", theirs.addr}, {"-connect", "127.0.0.1:" + ours.port},
				{"-unix", theirs.addr}} {
				args := append([]string{"s_client", "-servername", "localhost", "-CAfile", ssltest.CertFile("ca.pem"),
					"-verify_return_error", "-ign_eof", "-sess_out", file}, to...)
				if _, err := os.Stat(file); err == nil {
					args = append(args, "-sess_in", file)
				}
				ws := words(run(t, request, "openssl", args...), visits.SClientSays)
				if len(ws) != 1 || ws[0].Resumed != (i > 0) {
					t.Errorf("connection %d: %v", i, ws)
				}
			}
			if got := ours.finish(t); len(got) != 1 || !got[0] {
				t.Errorf("our end says %v", got)
			}
		})
	}
}

// If the servers choose suites of different hashes, a TLS 1.3 ticket does not resume, and costs
// no more than that. s_client and nginx agree on SHA-384 by default.
func TestTicketKeysOtherHash(t *testing.T) {
	leakcheck.Test(t)
	files := sharers[0].files(t, 80)
	theirs := nginxWith(t, ticket13, "", files...)
	ours, keys := oursWithKeys(t, ticket13, nginxContext(t), files...)
	file := filepath.Join(t.TempDir(), "session.pem")
	common := []string{"s_client", "-servername", "localhost", "-CAfile", ssltest.CertFile("ca.pem"),
		"-verify_return_error", "-ign_eof"}
	run(t, request, "openssl", append(slices.Clone(common), "-unix", theirs.addr, "-sess_out", file)...)
	ws := words(run(t, request, "openssl",
		append(slices.Clone(common), "-connect", "127.0.0.1:"+ours.port, "-sess_in", file)...), visits.SClientSays)
	if len(ws) != 1 || ws[0].Resumed || keys.Stats().Declined != 1 {
		t.Errorf("%v, %+v", ws, keys.Stats())
	}
	ours.finish(t)
}
