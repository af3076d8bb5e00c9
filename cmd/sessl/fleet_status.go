package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sessl/valkeystore"
)

func newFleet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Look at what a fleet of servers has agreed on, or make it void",
		Long: `Look at what the servers of a fleet, such as sessl serve --fleet, share through a database, or
make it void.

` + exitHelp,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return usagef("status or revoke-all is missing") },
	}
	cmd.AddCommand(newFleetStatus(), newFleetRevokeAll())
	return cmd
}

func newFleetStatus() *cobra.Command {
	var db fleetDB
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status URL",
		Short: "Show the schedule of a fleet's ticket keys, and how its database does",
		Long: `Show what the database at URL has of a fleet: the generation of the schedule of ticket keys,
the name of each key, which stands at the front of its tickets, its use, its age and from
when it encrypts; the database's eviction policy, and how long it takes to answer. No secret
is shown, and nothing is written. Without a schedule, which is so before the first server
has begun and while the database has lost it, and with one that the seal keys do not open,
the status is 1.

` + exitHelp,
		Example:           `  sessl fleet status valkeys://fleet@db1/shop --seal-key seal.key`,
		Args:              oneArg("URL"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return usagef("--timeout %v: it must be positive", timeout)
			}
			return fleetStatus(cmd.Context(), &db, args[0], timeout, asJSON, cmd.OutOrStdout())
		},
	}
	db.flags(cmd)
	f := cmd.Flags()
	f.DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for the database")
	f.BoolVar(&asJSON, "json", false, "print JSON; docs/cli.md describes it")
	valueFlags(cmd, "timeout")
	return cmd
}

// fleetReport is the output of fleet status --json. docs/cli.md documents it, and its fields do not change.
type fleetReport struct {
	Era        uint64     `json:"era"`
	Generation uint64     `json:"generation"`
	Keys       []fleetKey `json:"keys"`
	Policy     string     `json:"policy"`
	LatencyMS  float64    `json:"latency_ms"`
	Time       *time.Time `json:"time"`
	Refused    string     `json:"refused"`
	Error      string     `json:"error"`
}

type fleetKey struct {
	Name       string     `json:"name"`
	Use        string     `json:"use"`
	AgeSeconds float64    `json:"age_seconds"`
	From       *time.Time `json:"from"`
}

// errNoKeys is for a database without a schedule, which does not say why it has none.
var errNoKeys = errors.New("the database has no ticket keys of this fleet: " +
	"no server of this namespace has put a schedule there yet, or the database has lost it, " +
	"and running servers put it back within ten seconds or a quarter of --rotate-every")

func fleetStatus(ctx context.Context, db *fleetDB, url string, timeout time.Duration, asJSON bool,
	out io.Writer) error {
	f, err := db.open(url, valkeystore.Options{Timeout: attemptOf(timeout)})
	if err != nil {
		return bareFleet(err)
	}
	defer f.close()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s, err := f.vk.Survey(ctx)
	if err != nil {
		err = bare(err)
		if asJSON {
			err = errors.Join(err, writeJSON(out, fleetReport{Keys: []fleetKey{}, Error: err.Error()}))
		}
		return err
	}
	print := printSurvey
	if asJSON {
		print = func(out io.Writer, s *valkeystore.Survey) error { return writeJSON(out, reportOf(s)) }
	}
	if err := print(out, s); err != nil {
		return err
	}
	if s.Refused == nil && s.Generation == 0 {
		return errNoKeys
	}
	return s.Refused
}

// attemptOf is for how long one attempt to connect goes on: it has failed, and the reason is known, before
// the time for all of them is over.
func attemptOf(timeout time.Duration) time.Duration {
	return max(min(timeout/3, time.Minute), min(timeout, 10*time.Millisecond))
}

func reportOf(s *valkeystore.Survey) fleetReport {
	now := s.Now.UTC()
	r := fleetReport{Era: s.Era, Generation: s.Generation, Keys: []fleetKey{}, Policy: s.Policy,
		LatencyMS: float64(s.Latency.Microseconds()) / 1000, Time: &now}
	if s.Refused != nil {
		r.Refused = s.Refused.Error()
	}
	for _, k := range s.Keys {
		shown := fleetKey{Name: k.Name, Use: k.Use, AgeSeconds: s.Now.Sub(k.Made).Seconds()}
		if from := k.From.UTC(); !k.From.IsZero() {
			shown.From = &from
		}
		r.Keys = append(r.Keys, shown)
	}
	return r
}

func printSurvey(out io.Writer, s *valkeystore.Survey) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "latency\t%v\n", s.Latency.Round(time.Microsecond))
	fmt.Fprintf(w, "policy\t%s%s\n", s.Policy, policyNote(s.Policy))
	switch {
	case s.Refused != nil:
		fmt.Fprintf(w, "ticket keys\trefused\n")
	case s.Generation == 0:
		fmt.Fprintf(w, "ticket keys\tnone\n")
	default:
		fmt.Fprintf(w, "generation\t%d\n", s.Generation)
		fmt.Fprintf(w, "era\t%d\n", s.Era)
	}
	for _, k := range s.Keys {
		fmt.Fprintf(w, "%s\t%s  age %v, %s\n", k.Use, k.Name, ago(s.Now, k.Made), encrypts(k, s.Now))
	}
	return w.Flush()
}

// policyNote says what a policy means for early data.
func policyNote(policy string) string {
	if policy == "noeviction" {
		return ""
	}
	return " (early data is rejected: the database may drop claims)"
}

func encrypts(k valkeystore.SurveyKey, now time.Time) string {
	switch {
	case k.From.IsZero():
		return "only opens"
	case k.From.After(now):
		return fmt.Sprintf("encrypts in %v", ago(k.From, now))
	case k.Use == "current":
		return fmt.Sprintf("encrypts since %v", ago(now, k.From))
	}
	return fmt.Sprintf("encrypted from %v ago on", ago(now, k.From))
}

func ago(now, then time.Time) time.Duration { return max(0, now.Sub(then)).Round(time.Second) }
