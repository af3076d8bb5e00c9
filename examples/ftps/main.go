// Command ftps puts a file on an FTP server or gets one from it, over TLS, with data
// connections that resume the session of their control connection:
//
//	ftps -addr ftp.example.org:21 -user me put report.pdf incoming/report.pdf
//	ftps -addr ftp.example.org:990 -implicit get pub/list.txt list.txt
//
// Many servers demand that (vsftpd's require_ssl_reuse, on by default), and answer 522 or cut
// the transfer otherwise. In this program offerSessionOf in dialer.go does it. The protocol is
// implemented by github.com/jlaffaye/ftp.
//
// The password comes from the environment variable FTPS_PASSWORD. The server is verified
// against the system's roots, or those in the file of -ca. With -no-reuse data connections
// offer no session, to show how the server answers.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jlaffaye/ftp"

	"sessl/ssl"
)

// options are the command line.
type options struct {
	addr, user, ca    string
	implicit, noReuse bool
	args              []string // get REMOTE LOCAL, or put LOCAL REMOTE
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "", "`address` of the server, host:port")
	flag.StringVar(&o.user, "user", "anonymous", "login `name`; its password is in $FTPS_PASSWORD")
	flag.StringVar(&o.ca, "ca", "", "`file` of root certificates (default: the system's)")
	flag.BoolVar(&o.implicit, "implicit", false, "TLS from the first byte, in the place of AUTH TLS")
	flag.BoolVar(&o.noReuse, "no-reuse", false, "let data connections offer no session")
	timeout := flag.Duration("timeout", 10*time.Minute, "limit of the whole transfer")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(),
			"usage: ftps -addr HOST:PORT [flags] get REMOTE LOCAL | put LOCAL REMOTE")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.args = flag.Args()

	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	if err := run(ctx, o, os.Getenv("FTPS_PASSWORD")); err != nil {
		fmt.Fprintln(os.Stderr, "ftps:", errors.Join(err, ctx.Err()))
		os.Exit(1)
	}
}

// run executes the command line.
func run(ctx context.Context, o options, password string) error {
	if len(o.args) != 3 || o.args[0] != "get" && o.args[0] != "put" {
		return errors.New("want get REMOTE LOCAL, or put LOCAL REMOTE")
	}
	var roots *ssl.CertPool // the system's
	if o.ca != "" {
		var err error
		if roots, err = ssl.LoadCertPool(o.ca); err != nil {
			return err
		}
	}
	client, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots})
	if err != nil {
		return err
	}
	defer client.Close()
	d := &dialer{ssl: client, explicit: !o.implicit, noReuse: o.noReuse}
	conn, err := d.connect(ctx, o.addr)
	if err != nil {
		return err
	}
	defer conn.Quit()
	if err := conn.Login(o.user, cmp.Or(password, "anonymous")); err != nil {
		return err
	}
	if o.args[0] == "get" {
		return get(conn, o.args[1], o.args[2])
	}
	return put(conn, o.args[1], o.args[2])
}

func get(conn *ftp.ServerConn, remote, local string) (err error) {
	r, err := conn.Retr(remote)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }() // the server confirms that the transfer is complete
	f, err := os.Create(local)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func put(conn *ftp.ServerConn, local, remote string) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	return conn.Stor(remote, f)
}
