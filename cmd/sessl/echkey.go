package main

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

func newECHKey() *cobra.Command {
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "ech-key PUBLIC-NAME FILE",
		Short: "Make a file with a key for Encrypted ClientHello",
		Long: `Write a random key and its configuration to FILE, which only its owner can read, for sessl serve
--ech-key and ssl.LoadEncryptedClientHelloKeys. PUBLIC-NAME is what observers see in place of a server's
name, and the server needs a certificate for it. Print the configuration in base64, as an ECHConfigList:
it is for the "ech" parameter of the name's HTTPS record in the DNS, and for sessl probe --ech. An existing
file is not touched, unless --overwrite says so.

` + exitHelp,
		Example: `  sessl ech-key public.example.com ech.pem`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("needs PUBLIC-NAME and FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := writeECHKey(args[0], args[1], secretWriter(overwrite))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), base64.StdEncoding.EncodeToString(list))
			return err
		},
	}
	cmd.Flags().BoolVar(&overwrite, "overwrite", false,
		"replace an existing file: ClientHellos for its key cannot be read any more without a copy of it")
	return cmd
}

// writeECHKey makes a key, and returns its ECHConfigList.
func writeECHKey(publicName, file string, write func(string, []byte) error) ([]byte, error) {
	key, err := ssl.NewEncryptedClientHelloKey(publicName)
	if err != nil {
		return nil, bare(err)
	}
	data, err := ssl.MarshalEncryptedClientHelloKeyPEM(key)
	clear(key.PrivateKey)
	if err != nil {
		return nil, bare(err)
	}
	defer clear(data)
	if err := write(file, data); err != nil {
		return nil, fmt.Errorf("no key was written: %w", err)
	}
	return echListIn(data), nil
}

// echListIn returns the ECHConfigList in PEM, or nil.
func echListIn(data []byte) []byte {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ECHCONFIG" {
			return block.Bytes
		}
	}
	return nil
}

// readECHList reads the ECHConfigList in a file, in PEM or in base64.
func readECHList(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if list := echListIn(data); list != nil {
		return list, nil
	}
	list, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(data)))
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("%s has no ECHConfigList, neither in PEM nor in base64", file)
	}
	return list, nil
}
