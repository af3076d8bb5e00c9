package conns_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// logged is v as slog's JSON has it.
func logged(t *testing.T, v any) (any, string) {
	t.Helper()
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, b.Bytes())
	}
	return line["v"], b.String()
}

func TestLogValues(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.NextProtos, cli.NextProtos = []string{"h2"}, []string{"h2"}
		cctx := ssltest.NewClientCtx(t, cli)
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, ssltest.NewServerCtx(t, srv), a, b)
		p.MustShake(t)
		p.Echo(t)
		s := ssltest.SessionOf(t, p.Client)
		conn, _ := logged(t, p.Client)
		state := conn.(map[string]any)["state"].(map[string]any)
		own := p.Client.ConnectionState()
		want := map[string]any{"version": ssl.VersionName(own.Version), "cipher": own.CipherName, "resumed": false,
			"verified": true, "protocol": "h2", "server_name": "localhost",
			"peer": own.PeerCertificates[0].Subject.String()}
		for k, v := range want {
			if state[k] != v {
				t.Errorf("state: %s is %v, want %v", k, state[k], v)
			}
		}
		if got := conn.(map[string]any)["remote"]; got != p.Client.RemoteAddr().String() {
			t.Errorf("remote %v", got)
		}
		session, _ := logged(t, s)
		id, _ := s.ID()
		if m := session.(map[string]any); m["id"] != hex.EncodeToString(id) || m["resumable"] != true {
			t.Errorf("session %v", session)
		}
		ctx, _ := logged(t, cctx)
		if m := ctx.(map[string]any); m["role"] != "client" || m["server_name"] != "localhost" ||
			m["verifies"] != true {
			t.Errorf("ctx %v", ctx)
		}
		keepsSecrets(t, s, p.Client, p.Server, cctx, own, s)
	})
}

// keepsSecrets looks for the secrets of s in what the values print and log.
func keepsSecrets(t *testing.T, s *ssl.Session, values ...any) {
	t.Helper()
	key, err := s.SecretMasterKey()
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{"master key": key}
	if ticket, err := s.Ticket(); err != nil {
		t.Fatal(err)
	} else if len(ticket) > 0 {
		secrets["ticket"] = ticket
	}
	for _, v := range values {
		_, line := logged(t, v)
		text := line + fmt.Sprintf("%v %+v %#v", v, v, v)
		for name, secret := range secrets {
			for _, form := range []string{string(secret[:16]), hex.EncodeToString(secret[:16]),
				fmt.Sprint(secret[:16])[1:]} {
				if strings.Contains(strings.ToLower(text), strings.ToLower(strings.TrimSuffix(form, "]"))) {
					t.Errorf("%T prints the %s: %s", v, name, text)
				}
			}
		}
	}
}

func TestLogValueOfErrors(t *testing.T) {
	leakcheck.Test(t)
	p := ssltest.NewTCPPair(t, &ssl.Config{RootCAs: ssltest.Roots(t, "other-ca"), ServerName: "localhost"},
		ssltest.ServerConfig(t))
	cerr, serr := p.Shake()
	got, _ := logged(t, cerr)
	m := got.(map[string]any)
	if m["op"] != "handshake" || !strings.Contains(fmt.Sprint(m["cause"]), "peer certificate refused") ||
		!strings.Contains(fmt.Sprint(m["openssl"]), "certificate verify failed") || m["alert"] != nil {
		t.Errorf("the client's error: %v", got)
	}
	got, _ = logged(t, serr)
	if alert := got.(map[string]any)["alert"]; alert != float64(ssltest.AlertOf(serr)) ||
		ssltest.AlertOf(serr) < 0 {
		t.Errorf("the server's error: %v, want alert %d", got, ssltest.AlertOf(serr))
	}
	if got, _ := logged(t, fmt.Errorf("around: %w", cerr)); got != "around: "+cerr.Error() {
		t.Errorf("a wrapped error: %v", got)
	}
}

// What is no handle says so, and nothing panics.
func TestLogValueOfNothing(t *testing.T) {
	leakcheck.Test(t)
	closed, err := ssl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	var e *ssl.Error
	for _, tc := range []struct {
		v    slog.LogValuer
		want string
	}{
		{(*ssl.Conn)(nil), ssl.ErrNil.Error()},
		{new(ssl.Conn), ssl.ErrClosed.Error()},
		{(*ssl.Session)(nil), ssl.ErrNil.Error()},
		{closed, ssl.ErrClosed.Error()},
		{(*ssl.BorrowedSession)(nil), ssl.ErrNil.Error()},
		{(*ssl.Ctx)(nil), ssl.ErrNil.Error()},
		{ssl.ConnectionState{}, "complete"},
		{e, "nil"},
	} {
		if got := fmt.Sprint(tc.v.LogValue()); !strings.Contains(got, tc.want) || strings.Contains(got, "!PANIC") {
			t.Errorf("%T: %s, want %q in it", tc.v, got, tc.want)
		}
	}
}
