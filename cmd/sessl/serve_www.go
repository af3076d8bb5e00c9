package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"strings"

	"sessl/ssl"
)

// status is what serve --www sends to a client about its connection. docs/cli.md documents its
// JSON, whose fields do not change.
type status struct {
	Protocol   string `json:"protocol"`
	Cipher     string `json:"cipher"`
	Group      string `json:"group"`
	ALPN       string `json:"alpn"`
	ServerName string `json:"server_name"`
	Reused     bool   `json:"reused"`
	How        string `json:"how"`
	SessionID  string `json:"session_id"`
	Client     string `json:"client"`
	PSK        string `json:"psk"`
	Early      string `json:"early_data"`
}

// statusOf describes a connection after its handshake.
func statusOf(c *ssl.Conn) (status, error) {
	st := c.ConnectionState()
	how, id, err := howServer(c)
	s := status{
		Protocol:   ssl.VersionName(st.Version),
		Cipher:     st.CipherName,
		Group:      st.Group,
		ALPN:       st.NegotiatedProtocol,
		ServerName: st.ServerName,
		Reused:     st.DidResume,
		How:        how,
		SessionID:  id,
		PSK:        st.PSKIdentity,
		Early:      earlyWord(c),
	}
	if st.Verified && len(st.PeerCertificates) > 0 {
		s.Client = st.PeerCertificates[0].Subject.String()
	}
	return s, err
}

// text returns the status as text: a line for each field, in the order of the JSON.
func (s status) text() string {
	var b strings.Builder
	for _, f := range []struct {
		name  string
		value any
	}{
		{"protocol", s.Protocol}, {"cipher", s.Cipher}, {"group", s.Group}, {"alpn", s.ALPN},
		{"server_name", s.ServerName}, {"reused", s.Reused}, {"how", s.How},
		{"session_id", s.SessionID}, {"client", s.Client}, {"psk", s.PSK}, {"early_data", s.Early},
	} {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%s: %v", f.name, f.value), " ") + "\n")
	}
	return b.String()
}

type connKey struct{}

// wrapping makes a *conn of each accepted connection.
type wrapping struct {
	net.Listener
	s *server
}

func (l wrapping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c.(*ssl.Conn), s: l.s}, nil
}

// www answers HTTP requests until ctx ends.
func (s *server) www(ctx context.Context, l net.Listener, closeEach bool, errs io.Writer) error {
	srv := &http.Server{
		Handler:           http.HandlerFunc(answer),
		ReadHeaderTimeout: handshakeTimeout,
		ReadTimeout:       handshakeTimeout,
		WriteTimeout:      handshakeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(errs, "sessl serve: ", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	srv.SetKeepAlivesEnabled(!closeEach)
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
		defer cancel()
		if srv.Shutdown(bye) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(wrapping{l, s})
	if errors.Is(err, http.ErrServerClosed) {
		<-ended
		return nil
	}
	stop()
	return err
}

// answer sends a client the state of its connection.
func answer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are answered", http.StatusMethodNotAllowed)
		return
	}
	s := r.Context().Value(connKey{}).(*conn).status
	if wantsJSON(r) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, s.text())
}

// wantsJSON reports whether the client names JSON in Accept.
func wantsJSON(r *http.Request) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if t, params, err := mime.ParseMediaType(part); err == nil && t == "application/json" &&
			params["q"] != "0" {
			return true
		}
	}
	return false
}
