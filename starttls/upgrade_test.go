package starttls_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/starttls"
)

type turns = ssltest.Turns

const xmppHead, xmppFeatures = ssltest.XMPPHead, ssltest.XMPPFeatures

// good is what is said in each protocol.
var good = func() map[starttls.Protocol]turns {
	all := map[starttls.Protocol]turns{}
	for name, said := range ssltest.StartTLS("host.example") {
		p, err := starttls.ParseProtocol(name)
		if err != nil {
			panic(err)
		}
		all[p] = said
	}
	return all
}()

// upgrade runs p against a server of one script. Its Writes are whole, so that what stands in one of
// them arrives together.
func upgrade(t *testing.T, p starttls.Protocol, script turns) error {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	missed := make(chan string, 1)
	go func() {
		defer theirs.Close()
		missed <- script.Play(theirs)
	}()
	err := p.Upgrade(t.Context(), ours, "host.example")
	ours.Close()
	if m := <-missed; err == nil && m != "" {
		t.Errorf("the server was not told %q", m)
	}
	return err
}

func TestUpgrade(t *testing.T) {
	for p, script := range good {
		t.Run(p.String(), func(t *testing.T) {
			leakcheck.Test(t)
			if err := upgrade(t, p, script); err != nil {
				t.Error(err)
			}
		})
	}
}

// What stands behind the last answer would be taken for words of the server inside TLS (CVE-2011-0411,
// CVE-2021-23222).
func TestUpgradeInjected(t *testing.T) {
	for p, script := range good {
		t.Run(p.String(), func(t *testing.T) {
			leakcheck.Test(t)
			bad := append(turns(nil), script...)
			bad[len(bad)-1] += "2"
			if err := upgrade(t, p, bad); !errors.Is(err, starttls.ErrInjected) {
				t.Errorf("%v, want %v", err, starttls.ErrInjected)
			}
		})
	}
}

// The server talks without end, in lines and in one line.
func TestUpgradeEndless(t *testing.T) {
	for name, text := range map[string]string{"line": strings.Repeat("a", 128<<10),
		"lines": strings.Repeat("* 220-250-a\r\n", 8<<10), "replies": strings.Repeat("220-a\r\n", 16<<10),
		"blanks": strings.Repeat(" ", 128<<10)} {
		for p, script := range good {
			for turn := 0; turn < len(script); turn += 2 {
				if p == starttls.Postgres || p == starttls.XMPP && turn == 0 {
					continue // the client waits for one byte, or for nothing
				}
				t.Run(p.String()+" "+name, func(t *testing.T) {
					leakcheck.Test(t)
					bad := append(append(turns(nil), script[:turn]...), startOf(p)+text)
					err := upgrade(t, p, bad)
					if err == nil || len(err.Error()) > 500 {
						t.Errorf("%.600v, want a short error", err)
					}
				})
			}
		}
	}
	err := upgrade(t, starttls.IMAP, turns{"* OK", "", strings.Repeat("a", 128<<10)})
	if !errors.Is(err, starttls.ErrTooLong) {
		t.Errorf("%.600v, want %v", err, starttls.ErrTooLong)
	}
}

// startOf opens what the text of an endless server stands in.
func startOf(p starttls.Protocol) string {
	return map[starttls.Protocol]string{starttls.IMAP: "* ", starttls.XMPP: "<a>"}[p]
}

func TestUpgradeRefused(t *testing.T) {
	no := starttls.ErrNotOffered
	for _, c := range []struct {
		p      starttls.Protocol
		script turns
		want   string
		is     error
	}{
		{starttls.SMTP, turns{"554 go away\r\n"}, `greeting: 554 "go away"`, nil},
		{starttls.SMTP, turns{"\x1b[2J\r\n"}, `short response: "\x1b[2J"`, nil},
		{starttls.SMTP, turns{"220 a\r\n", "EHLO localhost\r\n", "250-a\r\n250 SIZE\r\n"}, "EHLO:", no},
		{starttls.SMTP, turns{"220 a\r\n", "EHLO localhost\r\n", "250 STARTTLS\r\n"}, "EHLO:", no},
		{starttls.SMTP, turns{"220 a\r\n", "EHLO localhost\r\n", "250-a\r\n250 STARTTLS\r\n", "STARTTLS\r\n",
			"454 not now\r\n"}, `STARTTLS: 454 "not now"`, no},
		{starttls.SMTP, turns{"22"}, `short response: "22"`, nil},
		{starttls.POP3, turns{""}, "unexpected EOF", io.ErrUnexpectedEOF},
		{starttls.IMAP, turns{"* PREAUTH you are in\r\n"}, `greeting: `, no},
		{starttls.IMAP, turns{"* OK a\r\n", "a STARTTLS\r\n", "a BAD what?\r\n"}, `"a BAD what?"`, no},
		{starttls.IMAP, turns{"* OKAY\r\n"}, `"* OKAY"`, no},
		{starttls.POP3, turns{"-ERR busy\r\n"}, `greeting: `, no},
		{starttls.POP3, turns{"+OK\r\n", "STLS\r\n", "-ERR what?\r\n"}, `STLS: `, no},
		{starttls.FTP, turns{"220 a\r\n", "AUTH TLS\r\n", "502 what?\r\n"}, `AUTH TLS: 502 "what?"`, no},
		{starttls.Postgres, turns{"", good[starttls.Postgres][1], "N"}, `SSLRequest: `, no},
		{starttls.Postgres, turns{"", good[starttls.Postgres][1], "E\x00\x00\x00\x09FATAL"}, `"E"`, no},
		{starttls.XMPP, turns{"", good[starttls.XMPP][1], xmppHead + "<stream:features/>"}, "features: ", no},
		{starttls.XMPP, turns{"", good[starttls.XMPP][1], "<a/>"}, "stream: ", no},
		{starttls.XMPP, turns{"", good[starttls.XMPP][1], "<!DOCTYPE a []><a/>"}, "not a stream of XMPP", nil},
		{starttls.XMPP, turns{"", good[starttls.XMPP][1], xmppHead + xmppFeatures, good[starttls.XMPP][3],
			"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}, `"failure"`, no},
		{starttls.XMPP, turns{"", good[starttls.XMPP][1], "<\u009b2J>"}, `stream: not XMPP: "XML syntax error`,
			nil},
		{starttls.XMPP, turns{"", good[starttls.XMPP][1], xmppHead + "<" + strings.Repeat("a", 50_000) + "></b>"},
			`features: `, nil},
		{starttls.XMPP, turns{"", good[starttls.XMPP][1], xmppHead + "<stream:features>"}, "unexpected EOF",
			io.ErrUnexpectedEOF},
	} {
		t.Run(c.p.String()+" "+c.want, func(t *testing.T) {
			leakcheck.Test(t)
			err := upgrade(t, c.p, c.script)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v\nwant %s, and errors.Is %v", err, c.want, c.is)
			}
			if raw := strings.ContainsFunc(err.Error(), unicode.IsControl); raw || len(err.Error()) > 500 {
				t.Errorf("%.600q is long, or has what the server said as it is", err)
			}
			var reply *textproto.Error
			if regexp.MustCompile(`\d{3} "`).MatchString(c.want) && !errors.As(err, &reply) {
				t.Errorf("%v is no *textproto.Error", err)
			}
		})
	}
}

// The end of the context wakes a client whose server says nothing; afterwards there is no deadline.
func TestUpgradeContext(t *testing.T) {
	leakcheck.Test(t)
	ours, theirs := net.Pipe()
	defer ours.Close()
	cause := errors.New("the cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		io.WriteString(theirs, "220 a") // no end
		cancel(cause)
	}()
	if err := starttls.SMTP.Upgrade(ctx, ours, ""); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
		t.Errorf("%v, want %v and %v", err, context.Canceled, cause)
	}
	if err := starttls.SMTP.Upgrade(ctx, endless{ours}, ""); !errors.Is(err, cause) {
		t.Errorf("without deadlines: %v, want %v", err, cause)
	}
	if err := starttls.SMTP.Upgrade(t.Context(), nil, ""); err == nil {
		t.Error("no error without a connection")
	}
	theirs.Close()
	if err := starttls.Protocol(99).Upgrade(t.Context(), ours, ""); err == nil {
		t.Error("no error for a protocol that is none")
	}
}

// endless is a connection without deadlines.
type endless struct{ net.Conn }

func (endless) SetDeadline(time.Time) error { return errors.ErrUnsupported }

func TestWithGreeting(t *testing.T) {
	for p := range good {
		ours, theirs := net.Pipe()
		go func() {
			io.WriteString(theirs, "250 then\r\n")
			theirs.Close()
		}()
		c := p.WithGreeting(ours)
		got, err := io.ReadAll(slowly{c})
		if greeting, ok := bytes.CutSuffix(got, []byte("250 then\r\n")); err != nil || !ok ||
			(len(greeting) == 0) != (p == starttls.Postgres || p == starttls.XMPP) {
			t.Errorf("%v: %q, %v", p, got, err)
		}
		if c.(interface{ NetConn() net.Conn }).NetConn() != ours {
			t.Errorf("%v: NetConn is another connection", p)
		}
		ours.Close()
	}
}

// slowly reads one byte at a time.
type slowly struct{ r io.Reader }

func (o slowly) Read(b []byte) (int, error) { return o.r.Read(b[:min(1, len(b))]) }

func TestParseProtocol(t *testing.T) {
	for _, name := range starttls.Names() {
		if p, err := starttls.ParseProtocol(name); err != nil || p.String() != name || good[p] == nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	if _, err := starttls.ParseProtocol("gopher"); err == nil || !strings.Contains(err.Error(), "smtp, imap") {
		t.Errorf("%v, want the names that there are", err)
	}
	if got := starttls.Protocol(0).String(); got != "Protocol(0)" {
		t.Error(got)
	}
}
