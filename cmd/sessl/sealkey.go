package main

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

func newSealKey() *cobra.Command {
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "seal-key FILE",
		Short: "Make a file with a seal key",
		Long: `Write 32 random bytes to FILE, which only its owner can read, for sessl serve --seal-key and
ssl.LoadSealKeys. They seal what the servers of a fleet keep in a database. All servers need
the same file. Who has it and reads the database has the fleet's ticket keys and sessions.
An existing file is not touched, unless --overwrite says so.

` + exitHelp,
		Example: `  sessl seal-key seal.key`,
		Args:    oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeSealKey(args[0], secretWriter(overwrite))
		},
	}
	cmd.Flags().BoolVar(&overwrite, "overwrite", false,
		"replace an existing file: what its key has sealed cannot be opened any more without a copy of it")
	return cmd
}

func writeSealKey(name string, write func(string, []byte) error) error {
	key := make([]byte, ssl.SealKeyLen)
	defer clear(key)
	rand.Read(key)
	if err := write(name, key); err != nil {
		return fmt.Errorf("no seal key was written: %w", err)
	}
	return nil
}
