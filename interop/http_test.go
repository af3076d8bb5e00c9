package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// curl against a server of package httpssl. curl reports the version of HTTP, and the server
// reports whether the second request, on a connection of its own, resumed the session. For
// HTTP/2, the clients in package httpssl's own tests show that.
func TestCurlHTTP(t *testing.T) {
	for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for flag, want := range map[string]string{"--http1.1": "1.1", "--http2": "2"} {
			t.Run(fmt.Sprint(ssl.VersionName(version), " ", flag), func(t *testing.T) {
				leakcheck.Test(t)
				url := serveHTTP(t, version)
				sent := strings.Repeat("x", 100000)
				body, err := curl(t, flag, url+"/echo", "--data", sent)
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Fields(body); !slices.Equal(got, []string{sent, want}) {
					t.Errorf("%d bytes came, want %d and HTTP %s", len(body), len(sent), want)
				}
				if flag == "--http2" {
					return // curl has no way to ask for another connection
				}
				// The server ends each connection, and curl keeps its sessions for one run.
				body, err = curl(t, flag, url+"/reused", url+"/reused")
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Fields(body); !slices.Equal(got, []string{"false", want, "true", want}) {
					t.Errorf("resumed, by HTTP: %q", got)
				}
			})
		}
	}
}

// serveHTTP serves /echo, and /reused on connections that end with the answer.
func serveHTTP(t *testing.T, version uint16) (url string) {
	t.Helper()
	cert, err := ssl.LoadX509KeyPair(certs+"/server-ecdsa.pem", certs+"/server-ecdsa.key")
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{
		Certificates: []ssl.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}, MaxVersion: version,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close() })
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		w.Write(b)
	})
	mux.HandleFunc("/reused", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		c, _ := ssl.ConnFromContext(r.Context())
		fmt.Fprint(w, c.SessionReused())
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: mux}
	ended := make(chan error, 1)
	go func() { ended <- httpssl.Serve(srv, l, ctx) }()
	t.Cleanup(func() {
		srv.Close()
		<-ended
	})
	return "https://" + l.Addr().String()
}

func curl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args = append([]string{"--silent", "--show-error", "--cacert", certs + "/ca.pem",
		"--write-out", "\n%{http_version}\n"}, args...)
	var out, msg bytes.Buffer
	cmd := exec.CommandContext(ctx, "curl", args...)
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("curl: %w: %s", err, msg.String())
	}
	return out.String(), nil
}
