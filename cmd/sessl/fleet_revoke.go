package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sessl/valkeystore"
)

// flags are those of a command that looks at a fleet from outside of it.
func (db *fleetDB) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&db.seals, "seal-key", nil, sealHelp)
	must(cmd.MarkFlagFilename("seal-key"))
	must(cmd.MarkFlagRequired("seal-key"))
	fileFlag(cmd, &db.password, "password", "`file` with the password of the database's user")
	fileFlag(cmd, &db.ca, "ca", "trust the roots in this `file` for the database, not the system's")
}

func newFleetRevokeAll() *cobra.Command {
	var db fleetDB
	var rotateEvery, keepFor, timeout time.Duration
	cmd := &cobra.Command{
		Use:   "revoke-all URL",
		Short: "Make all sessions and tickets of a fleet void",
		Long: `Make all sessions and tickets void that the servers of a fleet have issued until now: on each
server as soon as it asks for the schedule, which takes ten seconds or a quarter of
--rotate-every. New ticket keys are made. --rotate-every and --keep-for must be those of the
servers. It is an error if the database has no schedule of them. After another error, such as an
answer that has not come in time, the database may have taken it: give the command again.

` + exitHelp,
		Example:           `  sessl fleet revoke-all valkeys://fleet@db1/shop --seal-key seal.key`,
		Args:              oneArg("URL"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return usagef("--timeout %v: it must be positive", timeout)
			}
			rotate := cmp.Or(rotateEvery, time.Hour)
			f, err := db.open(args[0], valkeystore.Options{RotateEvery: rotate, KeepFor: cmp.Or(keepFor, 2*rotate),
				Timeout: min(timeout, time.Minute)})
			if err != nil {
				return bareFleet(err)
			}
			defer f.close()
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if err := f.revokeAll(ctx); err != nil {
				return bare(err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "all sessions and tickets of before are void")
			return err
		},
	}
	db.flags(cmd)
	f := cmd.Flags()
	f.DurationVar(&rotateEvery, "rotate-every", 0, "how long a ticket key of the fleet encrypts (default 1h)")
	f.DurationVar(&keepFor, "keep-for", 0,
		"how long it opens tickets after that (default two times --rotate-every)")
	f.DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for the database")
	valueFlags(cmd, "rotate-every", "keep-for", "timeout")
	return cmd
}

// revokeAll waits for the first connection.
func (f *fleet) revokeAll(ctx context.Context) error {
	for {
		err := f.vk.RevokeAll(ctx)
		if !errors.Is(err, valkeystore.ErrNotConnected) || ctx.Err() != nil {
			return err
		}
		pause(ctx, 20*time.Millisecond)
	}
}
