package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

// Limits on a peer that stalls.
const (
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 2 * time.Minute
	goodbyeTimeout   = time.Second // for answers in progress when the server must end
)

type serveOptions struct {
	listen, cert, key, clientCA string
	debug                       string
	tls                         tlsVersion
	www, closeEach              bool
	sessions                    sessionOptions
	fleet                       fleetOptions
	alpn, psks, echKeys         []string
	compression                 []string
}

func newServe() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve {--cert FILE --key FILE | --psk IDENTITY:FILE}",
		Short: "Serve TLS, and report for each connection whether its session was reused",
		Long: `Serve TLS connections and print one line for each handshake: the client's address, the
protocol, the cipher, whether the session was reused and how (id or ticket), the identity
of a pre-shared key if one was used, and the session id. A handshake that failed has the error
and what became of its early data. Without --www the server sends
back everything that a client sends. With --www it answers each GET, whatever its path,
with the state of the connection: as text or, for "Accept: application/json", as JSON.

The first line of the output has the address, which is useful for --listen with port 0.
SIGINT and SIGTERM end the server with exit status 0. SIGHUP makes it read the files of
--ticket-keys or --seal-key again.

With --debug it shows what it counts on a page for browsers, and as JSON to programs. The page
has the addresses of clients, so it belongs on an address that only administrators reach.

With --fleet, servers on several machines share through a database (Valkey, or Redis 7.0 and
later) what they need to resume each other's sessions, and accept early data once. All of
them need the same --seal-key, --rotate-every and --keep-for, and certificates with the same
names. The database need not be there: meanwhile a server works with what it has.

` + exitHelp,
		Example: `  sessl serve --cert server.pem --key server.key --www
  sessl serve --cert server.pem --key server.key --tls 1.2 --no-tickets --listen 127.0.0.1:0
  sessl serve --cert server.pem --key server.key --fleet valkeys://fleet@db1/shop --seal-key seal.key`,
		Args:              noArgs("--listen has the address"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return serve(cmd.Context(), &o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:4433", "`address` to listen on")
	fileFlag(cmd, &o.cert, "cert", "`file` of the certificate chain, leaf first")
	fileFlag(cmd, &o.key, "key", "`file` of the private key")
	tlsFlag(cmd, &o.tls)
	o.sessions.flags(cmd)
	o.fleet.flags(cmd)
	fileFlag(cmd, &o.clientCA, "client-ca",
		"demand client certificates that verify with the roots in this `file`")
	f.StringSliceVar(&o.alpn, "alpn", nil,
		"application `protocols` to accept, such as http/1.1, in order of preference")
	f.BoolVar(&o.www, "www", false, "answer HTTP requests with the connection's state")
	f.StringVar(&o.debug, "debug", "",
		"show a page of sessions, keys and failures on this `address`; a port alone is for this machine only")
	f.BoolVar(&o.closeEach, "close", false, "with --www: close the connection after each answer")
	f.StringSliceVar(&o.echKeys, "ech-key", nil,
		"decrypt ClientHellos with the keys in these `files`; clients are told to use the first (OpenSSL 4.0)")
	must(cmd.MarkFlagFilename("ech-key"))
	f.StringSliceVar(&o.compression, "cert-compression", nil,
		"compress the certificate for clients that ask for it, by these `algorithms`: zlib, brotli, zstd")
	pskFlag(cmd, &o.psks,
		"accept the pre-shared key in the file of `IDENTITY:FILE`, in hexadecimal; several are possible")
	cmd.MarkFlagsRequiredTogether("cert", "key")
	cmd.MarkFlagsOneRequired("cert", "psk")
	valueFlags(cmd, "listen", "alpn", "debug", "cert-compression")
	return cmd
}

func (o *serveOptions) check() (err error) {
	if o.debug != "" {
		if o.debug, err = debugAddress(o.debug); err != nil {
			return err
		}
	}
	if err := o.fleet.check(&o.sessions); err != nil {
		return err
	}
	if err := o.sessions.check(); err != nil {
		return err
	}
	switch {
	case o.sessions.earlyData > 0 && o.tls == ssl.VersionTLS12:
		return usagef("--early-data and --tls 1.2 contradict each other: early data needs TLS 1.3")
	case len(o.psks) > 0 && o.clientCA != "":
		return usagef("--psk and --client-ca contradict each other: a client with a key shows no certificate")
	case o.closeEach && !o.www:
		return usagef("--close needs --www")
	case o.www && slices.ContainsFunc(o.alpn, func(p string) bool { return p != "http/1.1" && p != "http/1.0" }):
		return usagef("--www speaks http/1.1 and http/1.0, and no other protocol of --alpn")
	}
	return nil
}

func (o *serveOptions) config() (*ssl.Config, error) {
	keys, err := loadPSKs(o.psks)
	if err != nil {
		return nil, err
	}
	cfg := &ssl.Config{
		PSKs:       keys,
		NextProtos: o.alpn,
	}
	o.tls.limit(cfg)
	if o.cert != "" {
		cert, err := keyPair(o.cert, o.key)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []ssl.Certificate{cert}
	}
	if cfg.CertificateCompression, err = compressionOf(o.compression); err != nil {
		return nil, err
	}
	if len(o.echKeys) > 0 {
		if cfg.EncryptedClientHelloKeys, err = ssl.LoadEncryptedClientHelloKeys(o.echKeys...); err != nil {
			return nil, bare(err)
		}
	}
	if o.clientCA != "" {
		cfg.ClientAuth = ssl.RequireAndVerifyClientCert
		if cfg.ClientCAs, err = loadPool(o.clientCA); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

// compressionOf are the algorithms with those names.
func compressionOf(names []string) (list []ssl.CertificateCompressionAlgorithm, err error) {
	for _, name := range names {
		a := ssl.CertificateCompressionZlib
		for a.String() != name {
			if a++; a > ssl.CertificateCompressionZstd {
				return nil, usagef("--cert-compression: %q is none of zlib, brotli and zstd", name)
			}
		}
		list = append(list, a)
	}
	return list, nil
}

// server has the state that all connections share.
type server struct {
	mu                  sync.Mutex // one line at a time
	out                 io.Writer
	began               bool   // the line with the address is out
	held                []byte // lines of before
	early               bool   // early data is read
	handshakes, resumed int
}

// serve runs until ctx ends.
func serve(ctx context.Context, o *serveOptions, out, errs io.Writer) error {
	cfg, err := o.config()
	if err != nil {
		return err
	}
	s := &server{out: out}
	keys, end, err := o.keep(cfg, s, errs)
	if err != nil {
		return err
	}
	defer end()
	sctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		return bare(err)
	}
	defer sctx.Close()
	tcp, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	l := ssl.NewListener(&draining{TCPListener: tcp.(*net.TCPListener)}, sctx)
	defer l.Close()
	if o.debug != "" {
		stop, err := s.showDebugPage(o.debug, sctx, errs)
		if err != nil {
			return err
		}
		defer stop()
	}
	s.early = cfg.MaxEarlyData > 0
	defer s.reloadOnHangup(keys)()
	s.begin(l.Addr())
	if o.www {
		err = s.www(ctx, l, o.closeEach, errs)
	} else {
		err = s.echoAll(ctx, l)
	}
	s.println("ended after", s.handshakes, "handshakes,", s.resumed, "of them resumed")
	return err
}

// begin prints the first line, and what was written before.
func (s *server) begin(addr net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = true
	fmt.Fprintln(s.out, "listening on", addr)
	s.out.Write(s.held)
	s.held = nil
}

// Write takes a line of others, such as the log of a fleet.
func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.began {
		s.held = append(s.held, b...)
		return len(b), nil
	}
	return s.out.Write(b)
}

func (s *server) println(args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, args...)
}

// echoAll accepts connections until ctx ends, and waits until each has ended.
func (s *server) echoAll(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var busy sync.WaitGroup
	defer busy.Wait()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // too many open files, or the client is gone already
			pause(ctx, 50*time.Millisecond)
			continue
		}
		busy.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			s.echo(&conn{Conn: c.(*ssl.Conn), s: s})
		})
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// echo sends back the data that it reads, until the end or a long silence.
func (s *server) echo(c *conn) {
	c.SetDeadline(time.Now().Add(handshakeTimeout))
	if c.handshake() != nil {
		return
	}
	buf := make([]byte, 16<<10)
	for {
		c.SetDeadline(time.Now().Add(idleTimeout))
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// conn is a connection whose handshake is reported.
type conn struct {
	*ssl.Conn
	s     *server
	once  sync.Once
	err   error
	early []byte // not yet returned by Read
	status
}

// Read does the handshake first, because net/http offers no better moment.
func (c *conn) Read(b []byte) (int, error) {
	if err := c.handshake(); err != nil {
		return 0, err
	}
	if len(c.early) > 0 {
		n := copy(b, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

func (c *conn) handshake() error {
	c.once.Do(func() {
		if c.err = c.takeEarly(); c.err == nil {
			c.err = c.Handshake()
		}
		if c.err == nil {
			c.status, c.err = statusOf(c.Conn)
		}
		c.s.report(c)
	})
	return c.err
}

// report prints the line of a handshake, unless the end of the server cut the handshake off.
func (s *server) report(c *conn) {
	if errors.Is(c.err, net.ErrClosed) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.err != nil {
		word := ""
		if early := earlyWord(c.Conn); early != "none" {
			word = " early=" + early
		}
		fmt.Fprintf(s.out, "%s%s failed: %s\n", c.RemoteAddr(), word, oneLine(c.err))
		return
	}
	s.handshakes++
	word := "full"
	if c.Reused {
		s.resumed++
		word = "resumed=" + c.How
	}
	id := c.SessionID
	if id == "" {
		id = "-"
	}
	if c.Early != "none" {
		word += " early=" + c.Early
	}
	if c.PSK != "" {
		word += " psk=" + strconv.Quote(c.PSK)
	}
	fmt.Fprintf(s.out, "%s %s %s %s session=%s\n", c.RemoteAddr(), c.Protocol, c.Cipher, word, id)
}
