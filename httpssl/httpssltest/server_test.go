package httpssltest_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"testing"

	"sessl/httpssl/httpssltest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// get returns the answer to a request, with the state of its connection.
func get(t *testing.T, s *httpssltest.Server, url string) string {
	t.Helper()
	resp, err := s.Client().Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %s %t", b, resp.Proto, resp.TLS.DidResume)
}

var echoHost = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })

// The client trusts the server, and resumes in every connection but the first.
func TestServer(t *testing.T) {
	leakcheck.Test(t)
	s := httpssltest.NewServer(echoHost)
	defer s.Close()
	host := s.Listener.Addr().String()
	for _, want := range []string{host + " HTTP/2.0 false", host + " HTTP/2.0 true", host + " HTTP/2.0 true"} {
		if got := get(t, s, s.URL); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		s.Client().CloseIdleConnections()
	}
	if got := get(t, s, "https://www.example.com/"); got != "www.example.com HTTP/2.0 false" {
		t.Error(got)
	}
	if names := s.Certificate().DNSNames; len(names) == 0 {
		t.Error("a certificate without names")
	}
	if st, err := s.Ctx().Stats(); err != nil || st.Resumed.Count != 2 || st.Full.Count != 2 {
		t.Errorf("%+v, %v", st, err)
	}
	s.Close()
	s.Close() // does nothing
}

// What is changed before Start counts: the certificate, the protocols, and the http.Server.
func TestUnstartedServer(t *testing.T) {
	leakcheck.Test(t)
	s := httpssltest.NewUnstartedServer(nil)
	s.TLS.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "selfsigned")}
	s.TLS.NextProtos = []string{"http/1.1"}
	s.Config.Handler = echoHost
	s.Start()
	defer s.Close()
	host := s.Listener.Addr().String()
	if got := get(t, s, s.URL); got != host+" HTTP/1.1 false" {
		t.Error(got)
	}
	s.CloseClientConnections()
	if got := get(t, s, s.URL); got != host+" HTTP/1.1 true" {
		t.Errorf("after CloseClientConnections: %s", got)
	}
	if r := ssltest.Recovered(s.Start); r == nil {
		t.Error("Start twice")
	}
	never := httpssltest.NewUnstartedServer(nil)
	never.Close()
	wrong := httpssltest.NewUnstartedServer(nil)
	defer wrong.Close()
	wrong.TLS.MinVersion, wrong.TLS.MaxVersion = ssl.VersionTLS13, ssl.VersionTLS12
	if r := ssltest.Recovered(wrong.Start); r == nil {
		t.Error("a Config that is not possible was used")
	}
}

// A test of a handler over TLS.
func ExampleNewServer() {
	s := httpssltest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello by", r.Proto)
	}))
	defer s.Close()
	for range 2 {
		resp, err := s.Client().Get(s.URL)
		if err != nil {
			log.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("resumed %t, %s", resp.TLS.DidResume, b)
		s.Client().CloseIdleConnections()
	}
	// Output:
	// resumed false, hello by HTTP/2.0
	// resumed true, hello by HTTP/2.0
}
