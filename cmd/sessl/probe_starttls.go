package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"sessl/starttls"
)

// upgrade is the value of --starttls: a protocol that begins in the clear, or 0 for TLS from the first byte.
type upgrade starttls.Protocol

// upgradePorts are those on which the protocols begin in the clear.
var upgradePorts = map[starttls.Protocol]string{starttls.SMTP: "25", starttls.IMAP: "143",
	starttls.POP3: "110", starttls.FTP: "21", starttls.Postgres: "5432", starttls.XMPP: "5222"}

func (u *upgrade) String() string {
	if *u == 0 {
		return ""
	}
	return starttls.Protocol(*u).String()
}

func (u *upgrade) Set(s string) error {
	p, err := starttls.ParseProtocol(s)
	if err != nil {
		return fmt.Errorf("only %s are possible", strings.Join(starttls.Names(), ", "))
	}
	*u = upgrade(p)
	return nil
}

func (u *upgrade) Type() string { return "protocol" }

// port is the one of a target that names none.
func (u upgrade) port() string {
	if u == 0 {
		return "443"
	}
	return upgradePorts[starttls.Protocol(u)]
}

// upgradeFlag adds --starttls to a command.
func upgradeFlag(cmd *cobra.Command, u *upgrade) {
	cmd.Flags().Var(u, "starttls", "begin in the clear, and ask for TLS in this `protocol`: "+
		strings.Join(starttls.Names(), ", "))
	must(cmd.RegisterFlagCompletionFunc("starttls",
		cobra.FixedCompletions(starttls.Names(), cobra.ShellCompDirectiveNoFileComp)))
}

// dial connects to the target, and goes as far as to where TLS begins.
func (o *probeOptions) dial(ctx context.Context) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", o.addr)
	if err != nil || o.starttls == 0 {
		return raw, err
	}
	if err := starttls.Protocol(o.starttls).Upgrade(ctx, raw, o.serverName); err != nil {
		raw.Close()
		return nil, err
	}
	return raw, nil
}
