package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

// nginx has one key a file: these stand beside the current one's.
const (
	nextSuffix = ".next"
	oldSuffix  = ".old"
)

func newTickets() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tickets",
		Short: "Make, show and rotate files with ticket keys",
		Long: `Make, show and rotate files with the keys of session tickets, for sessl serve, nginx
(ssl_session_ticket_key) and haproxy (tls-ticket-keys). Whoever has such a file can read
the connections that were resumed with its tickets: the files are readable by their owner
only, and no key is ever shown.

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
		Long: `Write an old, a current and a next key to FILE, a line of base64 each, as haproxy takes
them. With --nginx each key has a file of its own: the current one is in FILE, the others
are in FILE` + nextSuffix + ` and FILE` + oldSuffix + `. No file may be there yet.

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
	cmd.Flags().BoolVar(&nginx, "nginx", false, "write three files as nginx takes them")
	cmd.Flags().BoolVar(&aes128, "aes128", false, "keys of 48 bytes, for AES-128, instead of 80")
	return cmd
}

// randomKey makes a key; a short one is a long one that was cut.
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
			for _, f := range files[:i] { // those are this call's own
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

// shownKey is what show --json prints of a key. It is documented in docs/cli.md.
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
		Long: `Show what sessl serve --ticket-keys makes of the files: for each key its use, its name,
which stands at the front of every ticket of it, and its size. Several files are nginx's,
of which the first has the current key. No secret is shown.

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
		Long: `Make the next key in FILE the current one and the current one an old one, throw the old
one away, and add a random next key of the same size. A file of lines is replaced as a whole
or not at all. If FILE is a key as nginx takes it, FILE` + oldSuffix + `, FILE and FILE` + nextSuffix +
			` are replaced
one after the other; a rotation that was interrupted is completed by the next one. Servers
must be told to read the files again: sessl serve and nginx by SIGHUP.

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

// rotateFiles does one file at a time, in an order in which no key is lost: if FILE is the
// next key already, the rotation before this one went no further.
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
