package ssl

import (
	"cmp"
	"net"
)

// ClientWithServerName is Client for the server of that name, which is sent as SNI and
// demanded of the certificate (SSL_set_tlsext_host_name, X509_get_ext_d2i) in the place of
// the Ctx's ServerName; an empty one leaves that in force. It is for those who connect by
// other means than a [Dialer], to many servers with one Ctx. Like Client it resumes from the cache
// of the Ctx; sessions of one name are not offered to another.
func ClientWithServerName(conn net.Conn, ctx *Ctx, serverName string) (*Conn, error) {
	return newConn("ClientWithServerName", conn, ctx, false, cmp.Or(serverName, ctx.ServerName()))
}
