package main

import (
	"github.com/spf13/cobra"

	"sessl/internal/demo"
)

func newDemo() *cobra.Command {
	var saved demo.Saved
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show session reuse on real connections, on this machine",
		Long: `Make connections on loopback, to a server of this program and to openssl s_server, with
session ids and tickets of TLS 1.2 and tickets of TLS 1.3; resume a session from a file
in a second process; and count the objects in C memory. The command fails if any of this
fails. It needs the openssl tool.

` + exitHelp,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if saved.Session != "" {
				return demo.Resume(cmd.OutOrStdout(), saved)
			}
			return demo.Run(cmd.OutOrStdout(), func(s demo.Saved) []string {
				return []string{"demo", "--resume", s.Session, "--ca", s.CA, "--addr", s.Addr}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&saved.Session, "resume", "", "")
	f.StringVar(&saved.CA, "ca", "", "")
	f.StringVar(&saved.Addr, "addr", "", "")
	for _, name := range []string{"resume", "ca", "addr"} { // for the second process
		must(f.MarkHidden(name))
	}
	return cmd
}
