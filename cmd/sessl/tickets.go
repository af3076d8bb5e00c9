package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

// nginx has one key in each file: these two are beside the file of the current key.
const (
	nextSuffix = ".next"
	oldSuffix  = ".old"
)

func newTickets() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tickets",
		Short: "Make, show and rotate files with ticket keys",
		Long: `Make, show and rotate files with the keys of session tickets, for sessl serve, nginx
(ssl_session_ticket_key) and haproxy (tls-ticket-keys). Someone who has such a file can read
the connections that were resumed with its tickets. The files are therefore readable by
their owner only, and no key is ever shown.

` + exitHelp,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return usagef("new, show or rotate is missing") },
	}
	cmd.AddCommand(newTicketsNew(), newTicketsShow(), newTicketsRotate())
	return cmd
}

func newTicketsNew() *cobra.Command {
	var nginx, aes128 bool
	cmd := &cobra.Command{
		Use:   "new FILE",
		Short: "Make a file with random ticket keys",
		Long: `Write an old, a current and a next key to FILE, one line of base64 for each, in haproxy's
form. With --nginx each key has a file of its own: the current one is in FILE, the others
are in FILE` + nextSuffix + ` and FILE` + oldSuffix + `. None of these files may exist yet.

` + exitHelp,
		Example: `  sessl tickets new keys
  sessl tickets new --nginx ticket.key`,
		Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			set := ssl.TicketKeySet{Old: make([]ssl.TicketKey, 1)}
			for _, k := range []*ssl.TicketKey{&set.Current, &set.Next, &set.Old[0]} {
				var err error
				if *k, err = randomKey(aes128); err != nil {
					return err
				}
			}
			return writeNew(args[0], set, nginx)
		},
	}
	cmd.Flags().BoolVar(&nginx, "nginx", false, "write three files in nginx's form")
	cmd.Flags().BoolVar(&aes128, "aes128", false, "keys of 48 bytes, for AES-128, instead of 80")
	return cmd
}

// randomKey makes a key. A short key is a long key that was cut.
func randomKey(aes128 bool) (ssl.TicketKey, error) {
	k, err := ssl.NewTicketKey()
	if err != nil || !aes128 {
		return k, bare(err)
	}
	b, err := k.SecretBytes()
	if err != nil {
		return k, bare(err)
	}
	defer clear(b)
	k, err = ssl.ParseTicketKey(b[:48])
	return k, bare(err)
}

func writeNew(name string, set ssl.TicketKeySet, nginx bool) error {
	if !nginx {
		text, err := set.SecretHAProxy()
		if err != nil {
			return bare(err)
		}
		defer clear(text)
		return createSecret(name, text)
	}
	files := []string{name, name + nextSuffix, name + oldSuffix}
	for i, k := range []ssl.TicketKey{set.Current, set.Next, set.Old[0]} {
		if err := writeKey(files[i], k, createSecret); err != nil {
			for _, f := range files[:i] { // these were made by this call
				os.Remove(f)
			}
			return err
		}
	}
	return nil
}

func writeKey(name string, k ssl.TicketKey, write func(string, []byte) error) error {
	b, err := k.SecretBytes()
	if err != nil {
		return bare(err)
	}
	defer clear(b)
	return write(name, b)
}

// shownKey is one key in the output of show --json, which docs/cli.md documents.
type shownKey struct {
	Name string `json:"name"`
	Use  string `json:"use"`
	Bits int    `json:"bits"`
}

func newTicketsShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show FILE...",
		Short: "Show the names of the keys in ticket key files",
		Long: `Show how sessl serve --ticket-keys uses the keys in the files: for each key its use, its
name, which stands at the front of each of its tickets, and its size. Several files are
nginx's, and the first has the current key. No secret is shown.

` + exitHelp,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("FILE is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return showKeys(cmd.OutOrStdout(), asJSON, args...)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; docs/cli.md describes it")
	return cmd
}

func showKeys(out io.Writer, asJSON bool, files ...string) error {
	keys, err := ssl.LoadTicketKeys(files...)
	if err != nil {
		return bare(err)
	}
	defer keys.Close()
	shown := []shownKey{}
	for _, i := range keys.Infos() {
		shown = append(shown, shownKey{i.Name, i.Use, i.Bits})
	}
	if asJSON {
		return writeJSON(out, shown)
	}
	for _, k := range shown {
		fmt.Fprintf(out, "%-8s %s AES-%d\n", k.Use, k.Name, k.Bits)
	}
	return nil
}

func newTicketsRotate() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate FILE",
		Short: "Make the next ticket key the current one",
		Long: `Make the next key in FILE the current one and the current one an old one, drop the old one,
and add a random next key of the same size. A file of lines is replaced as a whole or not
at all. If FILE is a key in nginx's form, then FILE` + oldSuffix + `, FILE and FILE` + nextSuffix + `
are replaced one after the other; the next rotation completes an interrupted one. Servers
must then read the files again: sessl serve and nginx do so on SIGHUP.

` + exitHelp,
		Example: `  sessl tickets rotate keys`,
		Args:    oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := ssl.LoadTicketKeySet(args[0])
			if err != nil {
				return bare(err)
			}
			if set.Next.Name() == "" {
				return rotateFiles(cmd.OutOrStdout(), args[0], set.Current)
			}
			if err := rotateLines(args[0], set); err != nil {
				return err
			}
			return showKeys(cmd.OutOrStdout(), false, args[0])
		},
	}
}

func isShort(k ssl.TicketKey) (bool, error) {
	b, err := k.SecretBytes()
	clear(b)
	return len(b) == 48, bare(err)
}

func rotateLines(name string, set ssl.TicketKeySet) error {
	short, err := isShort(set.Current)
	if err != nil {
		return err
	}
	next, err := randomKey(short)
	if err != nil {
		return err
	}
	set = ssl.TicketKeySet{Old: []ssl.TicketKey{set.Current}, Current: set.Next, Next: next}
	text, err := set.SecretHAProxy()
	if err != nil {
		return bare(err)
	}
	defer clear(text)
	return replaceSecret(name, text)
}

// rotateFiles replaces one file at a time, in an order that loses no key. If FILE already has
// the next key, the previous rotation was interrupted there.
func rotateFiles(out io.Writer, name string, current ssl.TicketKey) error {
	set, err := ssl.LoadTicketKeySet(name + nextSuffix)
	if err != nil {
		return bare(err)
	}
	short, err := isShort(set.Current)
	if err != nil {
		return err
	}
	fresh, err := randomKey(short)
	if err != nil {
		return err
	}
	if set.Current.Name() != current.Name() {
		if err := writeKey(name+oldSuffix, current, replaceSecret); err != nil {
			return err
		}
		if err := writeKey(name, set.Current, replaceSecret); err != nil {
			return err
		}
	}
	if err := writeKey(name+nextSuffix, fresh, replaceSecret); err != nil {
		return err
	}
	fmt.Fprintf(out, "current  %s in %s\nnext     %s in %s\n",
		set.Current.Name(), name, fresh.Name(), name+nextSuffix)
	return nil
}
