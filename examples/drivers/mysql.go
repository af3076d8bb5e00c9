package drivers

import (
	"context"
	"database/sql/driver"
	"net"

	"github.com/go-sql-driver/mysql"

	"sessl/ssl"
)

// mysqlConnector returns what sql.OpenDB takes. The driver believes that its connections are Unix sockets,
// on which it sends passwords as it does over TLS.
func mysqlConnector(client *ssl.Ctx, cfg *mysql.Config) (driver.Connector, error) {
	own := cfg.Clone()
	own.Net, own.TLS = "unix", nil
	own.DialFunc = func(ctx context.Context, _, addr string) (net.Conn, error) {
		return dialMySQL(ctx, &ssl.Dialer{Ctx: client}, addr)
	}
	return mysql.NewConnector(own)
}
