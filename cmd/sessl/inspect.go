package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

func newInspect() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show the contents of a session file, without its secrets",
		Long: `Show the session in FILE, in PEM or DER; "-" is the standard input. The text is that of
openssl sess_id -text, in which x replaces the master secret and the resumption PSK, and
a summary below it. The ticket is shown: without the secret it is useless.

` + exitHelp,
		Example: `  sessl inspect session.pem
  openssl s_client -connect localhost:4433 -sess_out /dev/stdout </dev/null | sessl inspect -`,
		Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := readSession(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			defer s.Close()
			d, err := describe(s, time.Now())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), d)
			}
			if err := s.Print(cmd.OutOrStdout()); err != nil {
				return err
			}
			return d.summary(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; docs/cli.md describes it")
	return cmd
}

// writeJSON prints v for programs and people alike.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// description is the output of inspect --json. docs/cli.md documents it, and its fields do not
// change.
type description struct {
	Protocol       string       `json:"protocol"`
	Cipher         string       `json:"cipher"`
	SessionID      string       `json:"session_id"`
	SessionIDCtx   string       `json:"session_id_context"`
	Created        time.Time    `json:"created"`
	TimeoutSeconds int64        `json:"timeout_seconds"`
	Expires        time.Time    `json:"expires"`
	Expired        bool         `json:"expired"`
	Resumable      bool         `json:"resumable"`
	Ticket         *ticket      `json:"ticket"`
	MaxEarlyData   uint32       `json:"max_early_data"`
	ALPN           string       `json:"alpn"`
	ServerName     string       `json:"server_name"`
	Peer           *certificate `json:"peer"`
}

// ticket describes the ticket that a server sent with a session.
type ticket struct {
	Bytes           int   `json:"bytes"`
	LifetimeSeconds int64 `json:"lifetime_seconds"`
}

// certificate identifies the peer's leaf.
type certificate struct {
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"not_after"`
	SHA256   string    `json:"sha256"`
}

// describe reads all fields of a session.
func describe(s *ssl.Session, now time.Time) (*description, error) {
	var r reader
	id, idctx := get(&r, s.ID), get(&r, s.IDContext)
	created, timeout := get(&r, s.Time), get(&r, s.Timeout)
	d := &description{
		Protocol:       ssl.VersionName(get(&r, s.ProtocolVersion)),
		SessionID:      hex.EncodeToString(id),
		SessionIDCtx:   hex.EncodeToString(idctx),
		Created:        created.UTC(),
		TimeoutSeconds: int64(timeout / time.Second),
		Expires:        created.Add(timeout).UTC(),
		Expired:        !now.Before(created.Add(timeout)),
		Resumable:      get(&r, s.Resumable),
		MaxEarlyData:   get(&r, s.MaxEarlyData),
		ALPN:           get(&r, s.ALPN),
		ServerName:     get(&r, s.Hostname),
	}
	d.Cipher = get(&r, func() (string, error) { _, name, err := s.Cipher(); return name, err })
	if get(&r, s.HasTicket) {
		d.Ticket = &ticket{
			Bytes:           len(get(&r, s.Ticket)),
			LifetimeSeconds: int64(get(&r, s.TicketLifetimeHint) / time.Second),
		}
	}
	if c := get(&r, s.PeerCertificate); c != nil {
		sum := sha256.Sum256(c.Raw)
		d.Peer = &certificate{c.Subject.String(), c.Issuer.String(), c.NotAfter.UTC(), hex.EncodeToString(sum[:])}
	}
	return d, r.err
}

// reader keeps the first error of several calls.
type reader struct{ err error }

func get[T any](r *reader, f func() (T, error)) T {
	v, err := f()
	if r.err == nil {
		r.err = err
	}
	return v
}

// summary prints the fields that OpenSSL's text leaves out.
func (d *description) summary(w io.Writer) error {
	state := "until " + d.Expires.Format(time.RFC3339)
	switch {
	case !d.Resumable:
		state = "no"
	case d.Expired:
		state = "no, expired " + d.Expires.Format(time.RFC3339)
	}
	peer := "none"
	if d.Peer != nil {
		peer = fmt.Sprintf("%s, until %s", d.Peer.Subject, d.Peer.NotAfter.Format(time.RFC3339))
	}
	lifetime := "no ticket"
	if d.Ticket != nil {
		lifetime = fmt.Sprintf("%d bytes, lifetime %s",
			d.Ticket.Bytes, time.Duration(d.Ticket.LifetimeSeconds)*time.Second)
	}
	name := d.ServerName
	if name == "" {
		name = "none"
	}
	_, err := fmt.Fprintf(w, "Resumable   : %s\nTicket      : %s\nServer name : %s\nPeer        : %s\n",
		state, lifetime, name, peer)
	return err
}
