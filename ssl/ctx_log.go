package ssl

import (
	"encoding/hex"
	"log/slog"
	"strings"
)

// The methods LogValue give log/slog what String gives fmt, as attributes. They include
// no key, ticket or master secret.

// LogValue returns the operation, the cause, the peer's alert if it was the reason, and
// OpenSSL's entries.
func (e *Error) LogValue() slog.Value {
	if e == nil {
		return slog.AnyValue(nil)
	}
	attrs := []slog.Attr{slog.String("op", e.Op)}
	if e.Err != nil {
		attrs = append(attrs, slog.String("cause", e.Err.Error()))
	}
	if alert, ok := e.Alert(); ok {
		attrs = append(attrs, slog.Int("alert", int(alert)))
	}
	if len(e.Entries) > 0 {
		lines := make([]string, len(e.Entries))
		for i, entry := range e.Entries {
			lines[i] = entry.String()
		}
		attrs = append(attrs, slog.Any("openssl", lines))
	}
	return slog.GroupValue(attrs...)
}

// String returns the entry in one line, as ERR_error_string does.
func (e Entry) String() string {
	var b strings.Builder
	b.WriteString(e.Library + ": " + e.Reason)
	if e.Data != "" {
		b.WriteString(" (" + e.Data + ")")
	}
	return b.String()
}

// LogValue returns what the handshake has settled, and the subject of the peer's leaf.
func (s ConnectionState) LogValue() slog.Value {
	if s.Version == 0 {
		return slog.GroupValue(slog.Bool("complete", false))
	}
	attrs := []slog.Attr{
		slog.String("version", VersionName(s.Version)),
		slog.String("cipher", s.CipherName),
		slog.Bool("resumed", s.DidResume),
		slog.Bool("verified", s.Verified),
	}
	for _, a := range []slog.Attr{
		slog.String("group", s.Group),
		slog.String("protocol", s.NegotiatedProtocol),
		slog.String("server_name", s.ServerName),
		slog.String("psk", s.PSKIdentity),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	if len(s.PeerCertificates) > 0 {
		attrs = append(attrs, slog.String("peer", s.PeerCertificates[0].Subject.String()))
	}
	return slog.GroupValue(attrs...)
}

// LogValue returns both ends and the ConnectionState.
func (c *Conn) LogValue() slog.Value {
	if err := c.usable("Conn"); err != nil {
		return slog.StringValue(err.Error())
	}
	var attrs []slog.Attr
	if a := c.LocalAddr(); a != nil {
		attrs = append(attrs, slog.String("local", a.String()))
	}
	if a := c.RemoteAddr(); a != nil {
		attrs = append(attrs, slog.String("remote", a.String()))
	}
	return slog.GroupValue(append(attrs, slog.Any("state", c.ConnectionState()))...)
}

// LogValue returns the fields that String shows.
func (s *Session) LogValue() slog.Value {
	v, err := s.ProtocolVersion()
	if err != nil {
		return slog.StringValue(s.String())
	}
	_, cipher, _ := s.Cipher()
	id, _ := s.ID()
	at, _ := s.Time()
	timeout, _ := s.Timeout()
	ok, _ := s.Resumable()
	return slog.GroupValue(
		slog.String("version", VersionName(v)),
		slog.String("cipher", cipher),
		slog.String("id", hex.EncodeToString(id)),
		slog.Time("time", at),
		slog.Duration("timeout", timeout),
		slog.Bool("resumable", ok),
	)
}

// LogValue is [Session.LogValue].
func (b *BorrowedSession) LogValue() slog.Value { return b.session().LogValue() }

// LogValue returns the role, and on a client the name that it verifies.
func (c *Ctx) LogValue() slog.Value {
	if c == nil {
		return slog.StringValue(ErrNil.Error())
	}
	attrs := []slog.Attr{slog.String("role", c.role()), slog.Bool("verifies", c.verify)}
	if c.name != "" {
		attrs = append(attrs, slog.String("server_name", c.name))
	}
	return slog.GroupValue(attrs...)
}

func (c *Ctx) role() string {
	if c.server {
		return "server"
	}
	return "client"
}

// String names the role, so that fmt does not print the fields of a Ctx.
func (c *Ctx) String() string {
	if c == nil {
		return "ssl.Ctx(" + ErrNil.Error() + ")"
	}
	return "ssl.Ctx(" + c.role() + ")"
}

// GoString is String.
func (c *Ctx) GoString() string { return c.String() }
