package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sessl/ssl"
	"sessl/valkeystore"
)

// The values of --share.
const (
	shareKeys     = "keys"
	shareSessions = "sessions"
	shareBoth     = "both"
)

var shareKinds = []string{shareKeys, shareSessions, shareBoth}

// sealHelp is the usage of --seal-key.
const sealHelp = "`file` with a seal key of the fleet, as sessl seal-key makes them; several are possible, " +
	"and the first one seals"

// Limits on a database that stalls.
const (
	writeThrough = 50 * time.Millisecond // a handshake waits that long at most, as for a lookup
	farewell     = 5 * time.Second       // for what it has not taken yet when the server ends
)

// fleetDB is how a database is reached.
type fleetDB struct {
	seals        []string
	ca, password string // files
}

// open opens the database. What it returns is closed by close.
func (o *fleetDB) open(url string, more valkeystore.Options) (*fleet, error) {
	f := &fleet{}
	var err error
	if f.seal, err = ssl.LoadSealKeys(o.seals...); err != nil {
		return nil, bare(err)
	}
	more.SealKeys = f.seal
	if o.password != "" {
		more.Password = func() (string, error) { return readPassword(o.password) }
		if _, err = more.Password(); err != nil {
			f.close()
			return nil, err
		}
	}
	if o.ca != "" {
		if f.ctx, err = clientOf(o.ca); err != nil {
			f.close()
			return nil, err
		}
		more.Ctx = f.ctx
	}
	if f.vk, err = valkeystore.Open(url, &more); err != nil {
		f.close()
		return nil, bare(err)
	}
	return f, nil
}

// clientOf returns a Ctx with the roots in a file.
func clientOf(ca string) (*ssl.Ctx, error) {
	roots, err := loadPool(ca)
	if err != nil {
		return nil, err
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots})
	return ctx, bare(err)
}

// readPassword reads a password, which ends with the first line.
func readPassword(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	defer clear(b)
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if line = bytes.TrimSuffix(line, []byte("\r")); err == nil && len(line) == 0 {
		err = fmt.Errorf("%s: no password in it", file)
	}
	return string(line), err
}

// fleet is what a process has of a fleet.
type fleet struct {
	seal *ssl.SealKeys
	ctx  *ssl.Ctx
	vk   *valkeystore.Client
}

// close gives the database what it has not taken yet, and says how much was lost.
func (f *fleet) close() (lost int) {
	if f.vk != nil {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		lost, _ = f.vk.Close(ctx)
	}
	f.ctx.Close()
	f.seal.Close()
	return lost
}

// fleetOptions say what a server shares with others.
type fleetOptions struct {
	url, share           string
	db                   fleetDB
	rotateEvery, keepFor time.Duration
	given                func(flag string) bool
}

func (o *fleetOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.url, "fleet", "",
		"share sessions with all servers of a fleet, through the database at `URL`: "+
			"valkeys://user@host:port/namespace, or valkey:// without TLS")
	f.StringArrayVar(&o.db.seals, "seal-key", nil, sealHelp)
	must(cmd.MarkFlagFilename("seal-key"))
	f.StringVar(&o.share, "share", shareKeys,
		"what is shared: `KIND` is keys (of tickets, replaced as agreed), sessions (in the database) or both")
	must(cmd.RegisterFlagCompletionFunc("share",
		cobra.FixedCompletions(shareKinds, cobra.ShellCompDirectiveNoFileComp)))
	f.DurationVar(&o.rotateEvery, "rotate-every", 0,
		"how long a ticket key of the fleet encrypts, the same on all its servers (default 1h)")
	f.DurationVar(&o.keepFor, "keep-for", 0,
		"how long it opens tickets after that, the same on all servers (default two times --rotate-every)")
	fileFlag(cmd, &o.db.password, "fleet-password", "`file` with the password of the database's user")
	fileFlag(cmd, &o.db.ca, "fleet-ca", "trust the roots in this `file` for the database, not the system's")
	valueFlags(cmd, "fleet", "rotate-every", "keep-for")
	o.given = f.Changed
}

// fleetOnly are the flags that mean nothing without --fleet.
var fleetOnly = []string{"seal-key", "share", "rotate-every", "keep-for", "fleet-password", "fleet-ca"}

// notInFleet are the flags whose place --fleet takes.
var notInFleet = []string{"ticket-keys", "session-cache", "no-tickets"}

func (o *fleetOptions) check(s *sessionOptions) error {
	if o.url == "" {
		for _, name := range fleetOnly {
			if o.given(name) {
				return usagef("--%s needs --fleet", name)
			}
		}
		return nil
	}
	for _, name := range notInFleet {
		if o.given(name) {
			return usagef("--fleet and --%s contradict each other: --share says what the fleet shares", name)
		}
	}
	switch {
	case len(o.db.seals) == 0:
		return usagef("--fleet needs --seal-key, the same on all servers; sessl seal-key makes one")
	case o.share != shareKeys && o.share != shareSessions && o.share != shareBoth:
		return usagef("--share %s: it is keys, sessions or both", o.share)
	case s.cacheSize > 0 && o.share == shareKeys:
		return usagef("--cache-size needs --share sessions or both")
	}
	s.shared = true
	return nil
}

// apply sets up cfg. log gets a line for each change of state.
func (o *fleetOptions) apply(cfg *ssl.Config, s *sessionOptions, log io.Writer) (*fleet, error) {
	rotate := cmp.Or(o.rotateEvery, time.Hour)
	f, err := o.db.open(o.url, valkeystore.Options{
		RotateEvery: rotate,
		KeepFor:     cmp.Or(o.keepFor, 2*rotate),
		Cache:       ssl.ServerCacheOptions{MaxSessions: s.cacheSize, WriteThrough: writeThrough},
		Logger:      fleetLog(log),
	})
	if err != nil {
		return nil, bareFleet(err)
	}
	if o.share != shareSessions {
		cfg.TicketKeys = f.vk.TicketKeys()
	}
	if o.share != shareKeys {
		cfg.SessionCache = f.vk.Cache()
	}
	if s.earlyData > 0 {
		cfg.ReplayGuard = f.vk.Guard()
	}
	return f, s.apply(cfg)
}

// fleetLog has one line for each change of state, as serve prints others.
func fleetLog(out io.Writer) *slog.Logger {
	name := func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, slog.LevelKey:
			return slog.Attr{}
		case slog.MessageKey:
			return slog.String("fleet", strings.TrimPrefix(a.Value.String(), "valkeystore: "))
		}
		return a
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: name}))
}

// fleetNames are the flags behind the names of Go in errors of options.
var fleetNames = strings.NewReplacer("Options.RotateEvery", "--rotate-every", "Options.KeepFor", "--keep-for",
	" of RotateEvery", " of --rotate-every", "Options.Ctx", "the file of roots")

// bareFleet has errors of options name the flags. They are wrong usage.
func bareFleet(err error) error {
	if !errors.Is(err, ssl.ErrConfig) {
		return err
	}
	return usagef("%s", fleetNames.Replace(strings.TrimPrefix(err.Error(), ssl.ErrConfig.Error()+": ")))
}
