package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

type probeOptions struct {
	addr, host            string // HOST:PORT, and HOST
	n                     int
	starttls              upgrade
	tls                   tlsVersion
	noTickets             bool
	ca, serverName        string
	insecure              bool
	cert, key             string
	alpn, psks            []string
	sessionIn, sessionOut string
	send                  *string // nil: depends on whether the server gives tickets without data
	early                 bool
	ech                   string
	timeout               time.Duration
	json                  bool
}

func newProbe() *cobra.Command {
	var o probeOptions
	var send string
	cmd := &cobra.Command{
		Use:   "probe HOST:PORT",
		Short: "Measure whether and how a server reuses sessions",
		Long: `Make -n full handshakes with a server and, alternating with them, as many handshakes that
offer the newest session. Print whether the server resumed the sessions, how (id or ticket),
how long both kinds of handshake took, and how long a ticket may be used, as the server
says. The default port is 443. The time of a handshake does not include the TCP connection.

--starttls is for servers that speak in the clear until they are asked for TLS: smtp, imap, pop3,
ftp (the control connection), postgres or xmpp, with their usual ports as the default. A server
that does not offer TLS, says too much, or sends more in the clear behind its answer is an
error. No data is sent but that of --send.

Some servers send their TLS 1.3 tickets only after data. If a connection brings no ticket,
the next ones send a minimal HTTP request. --send sends another text, with \r, \n and \xHH
as escapes; --send "" sends nothing.

With --early-data each connection that offers a session sends early data (0-RTT): the text
of --send or, without it, the HTTP request. Data that the server rejects is sent after the
handshake. Anyone on the path can record early data and send it again, so it must do no
harm.

--session-out keeps the newest session in a file, in PEM and readable by its owner only,
for --session-in of another run or openssl s_client -sess_in. A session from a file is
offered only if the server's certificate in the file verifies now, with --ca or the
system's roots. The file has no intermediate certificates: add them to the file of --ca.

Exit status: 0 if every session that was offered was resumed and, with --early-data, all
early data was accepted; 3 if a session was not resumed, the server gave none, or early data
was not accepted; 1 for an error; 2 for wrong usage.`,
		Example: `  sessl probe example.com
  sessl probe mail.example.com:587 --starttls smtp
  sessl probe localhost:4433 --ca ca.pem --tls 1.2 --no-tickets
  sessl probe localhost:4433 --ca ca.pem --session-out s.pem
  sessl probe localhost:4433 --ca ca.pem --session-in s.pem -n 1`,
		Args:              oneArg("HOST:PORT"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("send") {
				o.send = &send
			}
			if err := o.check(args[0]); err != nil {
				return err
			}
			r, err := probe(cmd.Context(), &o, newProgress(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), o.json)
		},
	}
	f := cmd.Flags()
	f.IntVarP(&o.n, "handshakes", "n", 10, "`number` of handshakes of each kind")
	upgradeFlag(cmd, &o.starttls)
	tlsFlag(cmd, &o.tls)
	f.BoolVar(&o.noTickets, "no-tickets", false,
		"do not ask for TLS 1.2 tickets, so that the server has to use ids")
	fileFlag(cmd, &o.ca, "ca", "trust the roots in this `file` instead of the system's")
	f.StringVar(&o.serverName, "server-name", "", "`name` to send and to verify instead of HOST")
	f.BoolVar(&o.insecure, "insecure-skip-verify", false,
		"accept any certificate: anyone on the path can pose as the server")
	fileFlag(cmd, &o.cert, "cert", "`file` of a client certificate chain, for servers that ask for one")
	fileFlag(cmd, &o.key, "key", "`file` of its private key")
	pskFlag(cmd, &o.psks,
		"offer the pre-shared key in the file of `IDENTITY:FILE`, in hexadecimal; without --ca no "+
			"certificate is accepted instead")
	f.StringSliceVar(&o.alpn, "alpn", nil, "application `protocols` to offer, such as h2,http/1.1")
	fileFlag(cmd, &o.sessionIn, "session-in", "offer the session in this `file` first")
	fileFlag(cmd, &o.sessionOut, "session-out", "keep the newest session in this `file`")
	f.StringVar(&send, "send", "", "`text` to send on each connection")
	fileFlag(cmd, &o.ech, "ech",
		"encrypt the ClientHello with the ECHConfigList in this `file`, in PEM or base64 (OpenSSL 4.0)")
	f.BoolVar(&o.early, "early-data", false,
		"send the text, or the HTTP request, as early data with each offered session: it can be replayed")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "limit for each connection")
	f.BoolVar(&o.json, "json", false, "print JSON; docs/cli.md describes it")
	cmd.MarkFlagsRequiredTogether("cert", "key")
	valueFlags(cmd, "handshakes", "server-name", "alpn", "send", "timeout")
	return cmd
}

// check completes the options, and refuses those that contradict each other.
func (o *probeOptions) check(target string) error {
	host, port, err := net.SplitHostPort(target)
	var bad *net.AddrError
	if errors.As(err, &bad) && bad.Err == "missing port in address" {
		host, port, err = strings.Trim(target, "[]"), o.starttls.port(), nil
	}
	switch {
	case err != nil:
		return usagef("%q is not HOST:PORT", target)
	case host == "" || port == "":
		return usagef("%q is not HOST:PORT: one of the two is empty", target)
	case o.n < 1:
		return usagef("-n %d: at least one handshake is needed", o.n)
	case o.timeout <= 0:
		return usagef("--timeout %s: a positive time is needed", o.timeout)
	case len(o.psks) > 1:
		return usagef("--psk: a client offers one key")
	case len(o.psks) > 0 && o.insecure:
		return usagef("--psk and --insecure-skip-verify contradict each other")
	case o.early && o.send != nil && *o.send == "":
		return usagef("--early-data has nothing to send: --send is empty")
	case o.early && o.send == nil && o.starttls != 0:
		return usagef("--early-data with --starttls needs --send")
	case o.insecure && o.ca != "":
		return usagef("--insecure-skip-verify and --ca contradict each other")
	}
	o.addr, o.host = net.JoinHostPort(host, port), host
	if o.serverName == "" {
		o.serverName = host
	}
	if o.send != nil {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(*o.send, `"`, `\"`) + `"`)
		if err != nil {
			return usagef("--send %q: not a text with escapes", *o.send)
		}
		o.send = &text
	}
	return nil
}

func (o *probeOptions) config() (*ssl.Config, error) {
	keys, err := loadPSKs(o.psks)
	if err != nil {
		return nil, err
	}
	cfg := &ssl.Config{
		PSKs:                   keys,
		PSKOnly:                len(keys) > 0 && o.ca == "",
		ServerName:             o.serverName,
		InsecureSkipVerify:     o.insecure,
		SessionTicketsDisabled: o.noTickets,
		NextProtos:             o.alpn,
	}
	o.tls.limit(cfg)
	if o.ca != "" {
		pool, err := loadPool(o.ca)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = pool
	}
	if o.ech != "" {
		if cfg.EncryptedClientHelloConfigList, err = readECHList(o.ech); err != nil {
			return nil, err
		}
	}
	if o.cert != "" {
		cert, err := keyPair(o.cert, o.key)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []ssl.Certificate{cert}
	}
	return cfg, nil
}

// request is the HTTP request for servers that wait for data, if they may speak HTTP.
func (o *probeOptions) request(alpn string) string {
	if o.starttls != 0 {
		return ""
	}
	switch alpn {
	case "", "http/1.1", "http/1.0":
		return fmt.Sprintf("HEAD / HTTP/1.1\r\nHost: %s\r\nUser-Agent: sessl\r\nConnection: close\r\n\r\n", o.host)
	}
	return ""
}
