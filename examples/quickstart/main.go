// Command quickstart is a TLS server and a client that resumes its session. Without flags it
// is both, over loopback, with a certificate made for the occasion. As a server alone:
//
//	go run ./examples/quickstart -serve 127.0.0.1:8443 -ca-out root.pem
//
// and as a client alone, of this server or of any other:
//
//	go run ./examples/quickstart -connect localhost:8443 -ca root.pem
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"sessl/ssl"
)

// options are the flags.
type options struct {
	serve, cert, key, caOut string
	connect, ca             string
}

func main() {
	var o options
	flag.StringVar(&o.serve, "serve", "", "only serve, on this `address`")
	flag.StringVar(&o.cert, "cert", "",
		"with -serve: `file` of the certificate chain; without it one is made for localhost")
	flag.StringVar(&o.key, "key", "", "with -cert: `file` of its private key")
	flag.StringVar(&o.caOut, "ca-out", "",
		"with -serve and no -cert: `file` to write the root of the new certificate to")
	flag.StringVar(&o.connect, "connect", "", "only connect, to this `address`")
	flag.StringVar(&o.ca, "ca", "",
		"with -connect: `file` of the trusted roots; without it they are the system's")
	flag.Parse()
	if err := o.run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func (o *options) run(w io.Writer) error {
	switch {
	case o.serve != "" && o.connect != "":
		return errors.New("-serve and -connect contradict each other; without both the program is server " +
			"and client")
	case o.connect != "":
		return o.client(w)
	case o.serve != "":
		return o.server(w)
	}
	return both(w)
}

// both is a server and a client in one process.
func both(w io.Writer) error {
	cert, root, err := makeCert()
	if err != nil {
		return err
	}
	roots := ssl.NewCertPool()
	roots.AddCert(root)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- serve(l, cert) }()
	err = connect(w, l.Addr().String(), roots)
	l.Close()
	if s := <-served; !errors.Is(s, net.ErrClosed) {
		return errors.Join(err, s)
	}
	return err
}

func (o *options) client(w io.Writer) error {
	var roots *ssl.CertPool // nil: those of the system
	if o.ca != "" {
		var err error
		if roots, err = ssl.LoadCertPool(o.ca); err != nil {
			return err
		}
	}
	return connect(w, o.connect, roots)
}

func (o *options) server(w io.Writer) error {
	cert, err := o.certificate()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.serve)
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Fprintln(w, "listening on", l.Addr())
	return serve(l, cert)
}

// certificate loads the one that the flags name, or makes one and writes its root.
func (o *options) certificate() (ssl.Certificate, error) {
	if o.cert != "" {
		return ssl.LoadX509KeyPair(o.cert, o.key)
	}
	cert, root, err := makeCert()
	if err == nil && o.caOut != "" {
		err = writeRoot(o.caOut, root)
	}
	return cert, err
}
