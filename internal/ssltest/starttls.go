package ssltest

import (
	"bufio"
	"io"
	"net"
)

// Turns are what a server says in the clear, and after each but the last what it waits for.
type Turns []string

// Play is a server that follows the turns, and ends with the last of them. It returns what it has not been
// told, if anything.
func (s Turns) Play(c net.Conn) (missed string) {
	r := bufio.NewReader(c)
	for i, say := range s {
		if i%2 == 0 && say == "" {
			continue // a Write of nothing would wait, too
		}
		if i%2 == 0 {
			if _, err := io.WriteString(c, say); err != nil {
				return "" // the client has gone
			}
			continue
		}
		got := make([]byte, len(say))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != say {
			return say
		}
	}
	return ""
}

// XMPPHead begins the stream of an XMPP server, and XMPPFeatures offers TLS.
const (
	XMPPHead = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' ` +
		`xmlns:stream='http://etherx.jabber.org/streams' id='1' from='host.example' version='1.0'>`
	XMPPFeatures = `<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/>` +
		`</starttls></stream:features>`
)

// StartTLS is what is said before TLS in each protocol of package starttls, by its name, between a server
// called host and a client.
func StartTLS(host string) map[string]Turns {
	return map[string]Turns{
		"smtp": {"220-mail\r\n220 ready\r\n", "EHLO localhost\r\n",
			"250-mail\r\n250-SIZE\r\n250 StartTLS\r\n", "STARTTLS\r\n", "220 go\r\n"},
		"imap":     {"* OK [CAPABILITY STARTTLS]\r\n", "a STARTTLS\r\n", "* 3 EXISTS\r\na OK go\r\n"},
		"pop3":     {"+OK <1@host>\r\n", "STLS\r\n", "+OK\r\n"},
		"ftp":      {"220 ready\r\n", "AUTH TLS\r\n", "234 go\r\n"},
		"postgres": {"", "\x00\x00\x00\x08\x04\xd2\x16\x2f", "S"},
		"xmpp": {"", "<?xml version='1.0'?><stream:stream to='" + host + "' version='1.0' " +
			"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
			XMPPHead + XMPPFeatures, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
			`<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`},
	}
}
