package resp

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const limit = 1000

// script is a connection whose peer says what is in it.
type script struct {
	net.Conn
	in  io.Reader
	out []byte
}

func (s *script) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error) { s.out = append(s.out, p...); return len(p), nil }

// command encodes a command as valkey-go does.
func command(words ...string) string {
	var b strings.Builder
	for i, w := range words {
		if i == 0 {
			b.WriteString("*" + itoa(len(words)) + "\r\n")
		}
		b.WriteString("$" + itoa(len(w)) + "\r\n" + w + "\r\n")
	}
	return b.String()
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func commands(lines ...string) (all []string) {
	for _, l := range lines {
		all = append(all, command(strings.Split(l, " ")...))
	}
	return all
}

// talk asks, and reads the replies whole, in bytes, or in halves.
func talk(t *testing.T, asked []string, replies string, wrap func(io.Reader) io.Reader,
	bytewise bool) (string, error) {
	t.Helper()
	c := NewConn(&script{in: wrap(strings.NewReader(replies))}, limit)
	for _, a := range asked {
		step := len(a)
		if bytewise {
			step = 1
		}
		for part := range slices.Chunk([]byte(a), step) {
			if _, err := c.Write(part); err != nil {
				return "", err
			}
		}
	}
	got, err := io.ReadAll(c)
	if again, e := c.Read(make([]byte, 10)); err != nil && (again != 0 || e == nil) {
		t.Errorf("after an error: %d, %v", again, e)
	}
	return string(got), err
}

func same(r io.Reader) io.Reader { return r }

var good = []struct{ asked, reply string }{
	{"GET k", "$3\r\nabc\r\n"},
	{"GET k", "$0\r\n\r\n"},
	{"GET k", "$-1\r\n"},
	{"GET k", "_\r\n"},
	{"GET k", "$4\r\n\r\n\r\n\r\n"},
	{"GET k", "-WRONGTYPE Operation against a key\r\n"},
	{"GET k", "$900\r\n" + strings.Repeat("x", 900) + "\r\n"},
	{"SET k v", "+OK\r\n"},
	{"DEL k", ":1\r\n"},
	{"DEL k", ":-12\r\n"},
	{"TIME", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
	{"EVALSHA x", "*4\r\n*1\r\n*2\r\n:1\r\n:2\r\n$1\r\nx\r\n*0\r\n%1\r\n+a\r\n#t\r\n"},
	{"EVALSHA x", "*-1\r\n"},
	{"EVALSHA x", "*0\r\n"},
	{"HELLO 3", "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"},
	{"HELLO 3", "-NOAUTH no\r\n"},
	{"GET k", ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n$1\r\nv\r\n"},
	{"GET k", "-MOVED 12 127.0.0.1:1\r\n"},
	{"SUBSCRIBE c", ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"},
	{"SUBSCRIBE c", "-NOPERM no\r\n"},
	{"SUBSCRIBE a b", ">3\r\n+subscribe\r\n+a\r\n:1\r\n>3\r\n+subscribe\r\n+b\r\n:2\r\n"},
	{"UNSUBSCRIBE", ">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n+PONG\r\n"},
	{"SENTINEL get-master-addr-by-name m", "*2\r\n$9\r\n127.0.0.1\r\n$1\r\n1\r\n"},
	{"SENTINEL get-master-addr-by-name m", "*-1\r\n"},
	{"GET k", ">3\r\n+message\r\n+-sdown\r\n$19\r\nslave a b c @ m d e\r\n+v\r\n"},
	{"GET k", ">3\r\n+message\r\n++switch-master\r\n$9\r\nm a 1 b 2\r\n+v\r\n"},
}

func questions(line string) []string {
	if line == "" {
		return nil
	}
	asked := commands(line)
	if strings.HasPrefix(line, "UNSUBSCRIBE") {
		asked = append(asked, command("PING"))
	}
	return asked
}

// What a database answers arrives as it is, whole, and in pieces of any size.
func TestRepliesPass(t *testing.T) {
	var asked []string
	var replies strings.Builder
	for _, g := range good {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": same, "bytes": iotest.OneByteReader,
			"halves": iotest.HalfReader} {
			got, err := talk(t, questions(g.asked), g.reply, wrap, name == "bytes")
			if got != g.reply || err != nil {
				t.Errorf("%s %q, %s: %q, %v", g.asked, g.reply, name, got, err)
			}
		}
		asked = append(asked, questions(g.asked)...)
		replies.WriteString(g.reply)
	}
	if got, err := talk(t, asked, replies.String(), same, false); got != replies.String() || err != nil {
		t.Errorf("all in one: %d bytes of %d, %v", len(got), replies.Len(), err)
	}
}

var bad = []struct{ asked, reply string }{
	{"", "+OK\r\n"}, // no question
	{"GET k", "+OK\r\n+OK\r\n"},
	{"GET k", "HTTP/1.1 400 Bad Request\r\n"},
	{"GET k", "\x16\x03\x01"},
	{"GET k", "$99999999999999999999\r\n"},
	{"GET k", "$999999999\r\n"},
	{"GET k", "$1001\r\n"},
	{"GET k", "$-5\r\n"},
	{"GET k", "$\r\n"},
	{"GET k", "$?\r\n"},
	{"GET k", "$3\r\nabcde"},
	{"GET k", "$3\r\nabc\rx"},
	{"GET k", "$3\n"},
	{"GET k", "*?\r\n"},
	{"GET k", "*99999999\r\n"},
	{"GET k", "*-2\r\n"},
	{"GET k", "%-1\r\n"},
	{"GET k", "%40000\r\n"},
	{"GET k", "*2\r\n*65536\r\n"},
	{"GET k", strings.Repeat("*1\r\n", 9)},
	{"GET k", ":12x\r\n"},
	{"GET k", ":\r\n"},
	{"GET k", "#x\r\n"},
	{"GET k", "#tt\r\n"},
	{"GET k", "_x\r\n"},
	{"GET k", "|1\r\n+a\r\n+b\r\n+c\r\n"},
	{"GET k", "*1\r\n>2\r\n+message\r\n+x\r\n"},
	{"GET k", "+" + strings.Repeat("x", limit)},
	{"GET k", "*20\r\n" + strings.Repeat("$90\r\n"+strings.Repeat("x", 90)+"\r\n", 20)},
	{"GET k", ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"}, // each of these ends the process in valkey-go
	{"GET k", ">3\r\n$10\r\npsubscribe\r\n$1\r\nc\r\n:1\r\n"},
	{"GET k", ">3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:1\r\n"},
	{"", ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"},
	{"SUBSCRIBE c", "+QUEUED\r\n"},
	{"SUBSCRIBE c", "-QUEUED\r\n"},
	{"SUBSCRIBE c", "+OK\r\n"},
	{"SUBSCRIBE c", ">3\r\n+subscribe\r\n+c\r\n:1\r\n>3\r\n+subscribe\r\n+c\r\n:1\r\n"},
	{"SUBSCRIBE a b", ">3\r\n+subscribe\r\n+c\r\n:1\r\n-ERR no\r\n"},
	{"UNSUBSCRIBE", "-NOPERM no\r\n"},
	{"UNSUBSCRIBE", "+PONG\r\n+PONG\r\n"},
	{"GET k", "-MOVED\r\n"},
	{"GET k", "-ASK 1\r\n"},
	{"GET k", "-REDIRECT\r\n"},
	{"SENTINEL get-master-addr-by-name m", "*1\r\n+a\r\n"},
	{"SENTINEL get-master-addr-by-name m", "*0\r\n"},
	{"GET k", ">3\r\n+message\r\n++sentinel\r\n+x\r\n"},
	{"GET k", ">3\r\n+message\r\n++switch-master\r\n+m a 1 b\r\n"},
	{"GET k", ">3\r\n+message\r\n++reboot\r\n+slave a b c\r\n"},
	{"GET k", ">3\r\n+message\r\n+-sdown\r\n+\r\n"},
	{"HELLO 2", "+OK\r\n"},
}

// What cannot be a reply is an error, and the last byte of it does not arrive.
func TestOtherThingsDoNotPass(t *testing.T) {
	for _, b := range bad {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": same, "bytes": iotest.OneByteReader} {
			got, err := talk(t, questions(b.asked), b.reply, wrap, name == "bytes")
			if !errors.Is(err, ErrProtocol) || got == b.reply {
				t.Errorf("%s %.60q, %s: %.60q, %v", b.asked, b.reply, name, got, err)
			}
		}
	}
}

// Behind the answer that the database is a replica, a connection ends if that is wanted.
func TestLeave(t *testing.T) {
	for _, leave := range []bool{true, false} {
		c := NewConn(&script{in: strings.NewReader("-READONLY no writes\r\n")}, limit)
		c.Leave = func() bool { return leave }
		c.Write([]byte(command("DEL", "a")))
		p := make([]byte, limit)
		if n, err := c.Read(p); n == 0 || err != nil {
			t.Error("the answer: ", n, err)
		}
		_, read := c.Read(p)
		_, write := c.Write([]byte(command("DEL", "a")))
		if errors.Is(read, ErrReadOnly) != leave || errors.Is(write, ErrReadOnly) != leave {
			t.Errorf("leave %t: %v, %v", leave, read, write)
		}
	}
}
