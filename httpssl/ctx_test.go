package httpssl_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// NewServerCtx and NewClientTransport add the protocols that were not given, and no others.
func TestProtocolsAreAdded(t *testing.T) {
	leakcheck.Test(t)
	certs := []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}
	for _, given := range [][]string{nil, {"http/1.1"}, {"h2", "other"}} {
		cfg := &ssl.Config{Certificates: certs, NextProtos: given}
		ctx, err := httpssl.NewServerCtx(cfg)
		if err != nil {
			t.Fatal(err)
		}
		want := given
		if want == nil {
			want = both
		}
		if got := ctx.NextProtos(); !slices.Equal(got, want) || !slices.Equal(cfg.NextProtos, given) {
			t.Errorf("%q has become %q, and the Config's %q", given, got, cfg.NextProtos)
		}
		ctx.Close()
	}
	if _, err := httpssl.NewServerCtx(nil); !errors.Is(err, ssl.ErrNil) {
		t.Error(err)
	}
	if _, err := httpssl.NewServerCtx(&ssl.Config{}); !errors.Is(err, ssl.ErrConfig) {
		t.Error(err)
	}
	s := start(t, serverCtx(t), nil)
	for want, given := range map[string][]string{"HTTP/2.0": nil, "HTTP/1.1": {"http/1.1"}} {
		tr, err := httpssl.NewClientTransport(&ssl.Config{RootCAs: ssltest.Roots(t, "ca"), NextProtos: given})
		if err != nil {
			t.Fatal(err)
		}
		c := &http.Client{Transport: tr, Timeout: ssltest.Timeout}
		for i := range 2 {
			if resp, _ := post(t, c, s.URL, ""); resp.Proto != want || resp.TLS.DidResume != (i > 0) {
				t.Errorf("%s, %+v", resp.Proto, resp.TLS)
			}
			c.CloseIdleConnections()
		}
		if err := errors.Join(tr.Close(), tr.Close()); err != nil {
			t.Error(err)
		}
		if _, err := c.Get(s.URL); !errors.Is(err, ssl.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	tr, err := httpssl.NewClientTransport(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr.Close()
	if _, err := httpssl.NewClientTransport(&ssl.Config{MinVersion: 1}); err == nil {
		t.Error("no error")
	}
	if err := (*httpssl.Transport)(nil).Close(); err != nil {
		t.Error(err)
	}
	open := client(t, clientCtx(t)) // whose Ctx is the caller's
	if err := ownTransport(open).Close(); err != nil {
		t.Error(err)
	}
	post(t, open, s.URL, "")
}

// The Ctx of a Transport counts its handshakes, whoever has made it.
func TestTransportCtx(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), nil)
	tr, err := httpssl.NewClientTransport(&ssl.Config{RootCAs: ssltest.Roots(t, "ca")})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	post(t, &http.Client{Transport: tr, Timeout: ssltest.Timeout}, s.URL, "")
	if st, err := tr.Ctx().Stats(); err != nil || st.Full.Count != 1 {
		t.Errorf("%d handshakes, %v, want 1", st.Full.Count, err)
	}
	tr.Close()
	_, err = (&http.Client{Transport: tr}).Get(s.URL)
	if !errors.Is(err, ssl.ErrClosed) || !strings.HasSuffix(err.Error(), ": the Ctx is closed") {
		t.Errorf("after Close: %v", err)
	}
	given := clientCtx(t)
	if tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: given}, nil); err != nil || tr.Ctx() != given {
		t.Errorf("another Ctx than the given one, %v", err)
	}
	if (*httpssl.Transport)(nil).Ctx() != nil || new(httpssl.Transport).Ctx() != nil {
		t.Error("no Transport has a Ctx")
	}
}

// HTTP/2 is not lost in silence where NextProtos were forgotten, and only there.
func TestForgottenProtocolsAreSaid(t *testing.T) {
	const said = "HTTP/2 is not spoken"
	logged := func() *bytes.Buffer {
		var b bytes.Buffer
		before := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
		t.Cleanup(func() { slog.SetDefault(before) })
		return &b
	}()
	for name, tc := range map[string]struct {
		protos []string
		off    string
		want   int
	}{
		"forgotten":    {nil, "", 1},
		"http/1.1":     {[]string{"http/1.1"}, "", 0},
		"h2":           {both, "", 0},
		"GODEBUG":      {nil, "GODEBUG", 0},
		"Protocols":    {nil, "Protocols", 0},
		"TLSNextProto": {nil, "TLSNextProto", 0},
	} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			logged.Reset()
			base := &http.Transport{}
			if tc.off != "" {
				clientSwitches[tc.off](t, base)
			}
			ctx := clientCtx(t, ssltest.Protos(tc.protos...))
			tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: ctx}, base)
			if err != nil {
				t.Fatal(err)
			}
			defer tr.CloseIdleConnections()
			s := start(t, serverCtx(t, ssltest.Protos(tc.protos...)), nil, func(s *http.Server) {
				if tc.off != "" {
					serverSwitches[tc.off](t, s)
				}
			})
			for range 2 {
				post(t, &http.Client{Transport: tr, Timeout: ssltest.Timeout}, s.URL, "")
				tr.CloseIdleConnections()
			}
			if n := strings.Count(logged.String(), said); n != tc.want {
				t.Errorf("the transport said it %d times: %s", n, logged)
			}
			if n := strings.Count(s.log.String(), said); n != tc.want {
				t.Errorf("the server said it %d times: %s", n, s.log.String())
			}
		})
	}
}
