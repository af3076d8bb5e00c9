package drivers

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sessl/ssl"
	"sessl/starttls"
)

// pgxPool opens a pool of connections to PostgreSQL. Requests to cancel go through TLS, too.
func pgxPool(ctx context.Context, client *ssl.Ctx, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	d := &ssl.Dialer{Ctx: client, DialFunc: starttls.Postgres.DialContext,
		NetDialer: &net.Dialer{Timeout: 10 * time.Second}}
	cfg.ConnConfig.DialFunc = d.DialTLSContext
	cfg.ConnConfig.TLSConfig, cfg.ConnConfig.Fallbacks = nil, nil // whatever sslmode says
	// pgx looks names up, and dials addresses, to cancel as well: the Ctx must have the ServerName.
	return pgxpool.NewWithConfig(ctx, cfg)
}
