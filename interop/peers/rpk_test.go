package peers

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var (
	rawTypes    = []ssl.CertificateType{ssl.CertificateTypeRawPublicKey}
	rawVersions = []uint16{ssl.VersionTLS12, ssl.VersionTLS13}
)

// rawTool is the openssl of the library's version; the machine's may be too old.
func rawTool() string { return cmp.Or(os.Getenv("SESSL_OPENSSL"), "openssl") }

// rawKey is the public key of a pair of testdata/certs.
func rawKey(t *testing.T, name string) []byte {
	t.Helper()
	return ssltest.KeyPair(t, name).Leaf().RawSubjectPublicKeyInfo
}

// rawConfig shows the key of one pair, and expects that of the other.
func rawConfig(t *testing.T, own string, version uint16, peer []byte) *ssl.Config {
	t.Helper()
	return &ssl.Config{Certificates: []ssl.Certificate{ssltest.KeyPair(t, own)}, MaxVersion: version,
		CertificateTypes: rawTypes, PeerCertificateTypes: rawTypes, PeerRawPublicKeys: [][]byte{peer}}
}

// openssl s_client shows its raw public key to our server, expects the server's, and comes back.
func TestClientsRawPublicKey(t *testing.T) {
	leakcheck.Test(t)
	public := rawKey(t, "client")
	servers := fmt.Sprintf("3 1 0 %x", rawKey(t, "server-ecdsa")) // DANE-EE, SPKI, in full
	for _, version := range rawVersions {
		cfg := rawConfig(t, "server-ecdsa", version, public)
		cfg.ClientAuth = ssl.RequireAndVerifyClientCert
		ctx, err := ssl.NewServerCtx(cfg)
		if errors.Is(err, ssl.ErrUnsupported) && ssltest.LibraryRelease() < "3.2" {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer ctx.Close()
		l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		session := filepath.Join(t.TempDir(), "session")
		for _, resumes := range []bool{false, true} {
			states := make(chan ssl.ConnectionState, 1)
			go func() { states <- answerRaw(l) }()
			args := []string{"s_client", "-connect", l.Addr().String(), "-enable_server_rpk", "-enable_client_rpk",
				"-dane_tlsa_domain", "localhost", "-dane_tlsa_rrdata", servers, "-verify_return_error", "-ign_eof",
				"-sess_out", session,
				"-cert", ssltest.CertFile("client.pem"), "-key", ssltest.CertFile("client.key")}
			if resumes {
				args = append(args, "-sess_in", session)
			}
			said := run(t, "ping", rawTool(), args...)
			s := <-states
			if !bytes.Equal(s.PeerRawPublicKey, public) || !s.Verified || s.DidResume != resumes {
				t.Errorf("%s: key %x, verified %t, resumed %t, not %t", ssl.VersionName(version), s.PeerRawPublicKey,
					s.Verified, s.DidResume, resumes)
			}
			if !strings.Contains(said, "Verify return code: 0 (ok)") || strings.Contains(said, "Reused, ") != resumes {
				t.Errorf("it says\n%s", said)
			}
		}
	}
}

// answerRaw serves one connection, and returns its state.
func answerRaw(l net.Listener) (s ssl.ConnectionState) {
	conn, err := l.Accept()
	if err != nil {
		return s
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	c := conn.(*ssl.Conn)
	if _, err := io.ReadFull(c, make([]byte, len("ping"))); err != nil {
		return s
	}
	io.WriteString(c, "pong")
	return c.ConnectionState()
}

// Our client shows its raw public key to openssl s_server, expects the server's, and comes back.
func TestServersRawPublicKey(t *testing.T) {
	leakcheck.Test(t)
	serversRawKey(t, ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
}

// The same with the point of the server's key compressed.
func TestServersCompressedRawPublicKey(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	run(t, "", rawTool(), "ec", "-in", ssltest.CertFile("server-ecdsa.key"), "-out", key,
		"-conv_form", "compressed")
	run(t, "", rawTool(), "req", "-x509", "-new", "-key", key, "-subj", "/CN=compressed", "-out", cert)
	serversRawKey(t, cert, key)
}

func serversRawKey(t *testing.T, cert, key string) {
	t.Helper()
	public := rawKey(t, "server-ecdsa")
	for _, version := range rawVersions {
		ctx, err := ssl.NewClientCtx(rawConfig(t, "client", version, public))
		if errors.Is(err, ssl.ErrUnsupported) && ssltest.LibraryRelease() < "3.2" {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer ctx.Close()
		p := start(t, command(t, rawTool(), "s_server", "-accept", "127.0.0.1:0", "-www",
			"-enable_server_rpk", "-enable_client_rpk", "-Verify", "1", "-cert", cert, "-key", key), "", nil)
		p.addr = p.await(t, regexp.MustCompile(`(?m)^ACCEPT (127\.0\.0\.1:\d+)$`))
		for _, resumes := range []bool{false, true} {
			c, err := ssl.Dial("tcp", p.addr, ctx)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(patience))
			if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			said, err := io.ReadAll(c)
			s := c.ConnectionState()
			if err != nil || !bytes.Equal(s.PeerRawPublicKey, public) || !s.Verified || s.DidResume != resumes {
				t.Errorf("%s: key %x, verified %t, resumed %t, not %t, %v", ssl.VersionName(version), s.PeerRawPublicKey,
					s.Verified, s.DidResume, resumes, err)
			}
			if strings.Contains(string(said), "Reused, ") != resumes {
				t.Errorf("it says\n%s", said)
			}
			c.Close()
		}
		p.stop()
	}
}
