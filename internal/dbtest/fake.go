package dbtest

import (
	"bufio"
	"net"
	"strings"
	"testing"
)

// hello is the answer to HELLO of a database alone.
const hello = "%7\r\n+server\r\n+redis\r\n+version\r\n+7.0.15\r\n+proto\r\n:3\r\n+id\r\n:1\r\n" +
	"+mode\r\n+standalone\r\n+role\r\n+master\r\n+modules\r\n*0\r\n"

// Fake serves a database that gives the answers of answer, as they go over the wire, to all commands but
// those that begin a connection. It returns its address.
func Fake(t testing.TB, answer func(words []string) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveFake(c, answer)
		}
	}()
	return l.Addr().String()
}

func serveFake(c net.Conn, answer func(words []string) string) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		words, err := elements(r) // a command is an array, as a reply may be
		if err != nil || len(words) == 0 {
			return
		}
		text := ""
		switch strings.ToUpper(words[0]) {
		case "HELLO":
			text = hello
		case "CLIENT", "PING", "SELECT":
			text = "+OK\r\n"
		case "CLUSTER":
			text = "-ERR This instance has cluster support disabled\r\n"
		default:
			text = answer(words)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			return
		}
	}
}
