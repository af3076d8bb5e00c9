package drivers

import (
	"context"
	"database/sql"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// startMariaDB starts a server with the users gopher, whose password is sent as a hash, and plain, and of
// both it accepts connections with TLS only.
func startMariaDB(t *testing.T) *program {
	t.Helper()
	p := newProgram(t, true)
	p.run("mariadb-install-db", "--no-defaults", "--datadir="+p.file("data"),
		"--auth-root-authentication-method=normal", "--skip-test-db")
	init := p.write("init.sql", "CREATE USER gopher@'%%' IDENTIFIED BY 'secret' REQUIRE SSL;\n"+
		"GRANT ALL ON *.* TO gopher@'%%';\nCREATE DATABASE shop;\n")
	p.start(syscall.SIGTERM, "/usr/sbin/mariadbd", "--no-defaults", "--datadir="+p.file("data"),
		"--bind-address=127.0.0.1", "--port="+p.port(), "--socket="+p.file("sock"), "--init-file="+init,
		"--ssl-cert="+p.file("server-ecdsa.pem"), "--ssl-key="+p.file("server-ecdsa.key"),
		"--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", "--pid-file="+p.file("pid"))
	return p
}

func TestMySQL(t *testing.T) {
	leakcheck.Test(t)
	p := startMariaDB(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cfg := mysql.NewConfig()
	cfg.Addr, cfg.User, cfg.Passwd, cfg.DBName = p.addr, "gopher", "secret", "shop"
	for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		t.Run(ssl.VersionName(version), func(t *testing.T) {
			client := ssltest.NewClientCtx(t, &ssl.Config{RootCAs: ssltest.Roots(t, "ca"), ServerName: "localhost",
				MinVersion: version, MaxVersion: version})
			db := openMySQL(t, client, cfg)
			for range 3 {
				conn, err := db.Conn(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				var name, spoken string
				err = conn.QueryRowContext(ctx, "SHOW STATUS LIKE 'Ssl_version'").Scan(&name, &spoken)
				if spoken == "" || err != nil {
					t.Errorf("the server says version %q, %v", spoken, err)
				}
			}
			wantResumed(t, client, 3)
		})
	}

	client := clientCtx(t, "localhost")
	db := openMySQL(t, client, cfg)

	// The end of a context ends a query.
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if _, err := db.ExecContext(short, "DO SLEEP(60)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want %v", err, context.DeadlineExceeded)
	}

	// A wrong password is refused, and no connection is left.
	cfg.Passwd = "wrong"
	var refused *mysql.MySQLError
	if err := openMySQL(t, client, cfg).PingContext(ctx); !errors.As(err, &refused) || refused.Number != 1045 {
		t.Errorf("%v, want error 1045", err)
	}
}

func openMySQL(t *testing.T, client *ssl.Ctx, cfg *mysql.Config) *sql.DB {
	t.Helper()
	connector, err := mysqlConnector(client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}
