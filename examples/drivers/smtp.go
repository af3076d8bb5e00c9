package drivers

import (
	"context"
	"net"
	"net/smtp"

	"sessl/ssl"
	"sessl/starttls"
)

// dialSMTP connects to a mail server, with STARTTLS. A Deadline of conn bounds what follows.
func dialSMTP(ctx context.Context, client *ssl.Ctx, addr string) (*smtp.Client, *ssl.Conn, error) {
	d := &ssl.Dialer{Ctx: client, DialFunc: starttls.SMTP.DialContext}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	host, _, _ := net.SplitHostPort(addr)
	c, err := smtp.NewClient(starttls.SMTP.WithGreeting(conn), host)
	return c, conn, err
}

// overTLS is an Auth for connections that are encrypted, which net/smtp only sees of a *tls.Conn.
type overTLS struct{ smtp.Auth }

func (a overTLS) Start(server *smtp.ServerInfo) (string, []byte, error) {
	encrypted := *server
	encrypted.TLS = true
	return a.Auth.Start(&encrypted)
}
