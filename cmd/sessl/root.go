package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

// Exit statuses. docs/cli.md documents them.
const (
	exitOK      = 0
	exitError   = 1
	exitUsage   = 2
	exitNoReuse = 3 // probe only
)

const exitHelp = `Exit status: 0 for success, 1 for an error, 2 for wrong usage.`

// A usageError is a mistake in the command line that cobra does not detect.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// A noReuseError says that a probe worked, and found that reuse does not.
type noReuseError struct{ error }

// run runs the program and returns the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := newRoot()
	began := false // earlier errors are cobra's, about the command line
	for _, c := range append(root.Commands(), subcommands(root)...) {
		do := c.RunE
		c.RunE = func(cmd *cobra.Command, args []string) error {
			began = true
			return do(cmd, args)
		}
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var usage usageError
	if !began || errors.As(err, &usage) {
		fmt.Fprintf(errs, "%s: %s (see %[1]s --help)\n", cmd.CommandPath(), oneLine(err))
		return exitUsage
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(errs, "%s: %s\n", cmd.CommandPath(), oneLine(err))
	if errors.As(err, new(noReuseError)) {
		return exitNoReuse
	}
	return exitError
}

// subcommands returns the subcommands of root's commands.
func subcommands(root *cobra.Command) (all []*cobra.Command) {
	for _, c := range root.Commands() {
		all = append(all, c.Commands()...)
	}
	return all
}

// oneLine returns the text of err without line breaks, and with an escape for each character that a terminal
// would obey: a peer may have written it.
func oneLine(err error) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(err.Error()), " ") {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sessl",
		Short: "Look at TLS session reuse, over the system's OpenSSL",
		Long: `sessl shows whether TLS sessions are reused. It is a server that reports for each
connection whether its session was reused, a client that measures whether and how a server
reuses sessions, a reader of session files, a maker of the key files that servers share, and
a look at what a fleet of servers has agreed on. It reads and writes session files of
openssl s_client (-sess_out, -sess_in) and openssl sess_id.

` + exitHelp + `
probe ends with 3 if the connections worked, but reuse or the early data asked for did not.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.AddCommand(newServe(), newProbe(), newInspect(), newTickets(), newFleet(), newSealKey(), newECHKey(),
		newDemo(), newMan())
	addCompletion(root)
	return root
}

// addCompletion adds cobra's command, which would take a shell that it does not know for a wish to read
// its help.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.RunE = func(*cobra.Command, []string) error {
				return usagef("bash, zsh, fish or powershell is missing")
			}
		}
	}
}

// version returns the versions of the program, of the library, and of its headers if they differ.
func version() string {
	v := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return v + ", " + ssl.OpenSSLVersion().String()
}

// oneArg demands exactly one argument, which its errors call name.
func oneArg(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("%s is missing", name)
		case len(args) > 1:
			return fmt.Errorf("one %s is wanted, not %d", name, len(args))
		}
		return nil
	}
}

// noArgs demands that there are no arguments. Its errors say hint, where users look for one.
func noArgs(hint string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("no argument is wanted, but %q is there: %s", args[0], hint)
		}
		return nil
	}
}
