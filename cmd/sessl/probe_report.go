package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"sessl/ssl"
)

// report is the output of probe --json. docs/cli.md documents it, and its fields do not change.
type report struct {
	Target     string `json:"target"`
	Address    string `json:"address"`
	ServerName string `json:"server_name"`
	Verified   bool   `json:"verified"`
	PSK        string `json:"psk"`
	Protocol   string `json:"protocol"`
	Cipher     string `json:"cipher"`
	Group      string `json:"group"`
	ALPN       string `json:"alpn"`
	ECH        bool   `json:"ech"`
	Compressed bool   `json:"certificate_compressed"`

	Reuse     bool     `json:"reuse"`
	How       string   `json:"how"`
	Offered   int      `json:"offered"`
	Resumed   int      `json:"resumed"`
	FullMS    *timing  `json:"full_ms"`
	ResumedMS *timing  `json:"resumed_ms"`
	Speedup   *float64 `json:"speedup"`

	// LifetimeSeconds is the lifetime that the server states; nil if it states none.
	LifetimeSeconds *int64 `json:"ticket_lifetime_seconds"`
	NeedsData       bool   `json:"needs_data"`

	SessionIn  *sessionIn `json:"session_in"`
	SessionOut *string    `json:"session_out"`

	EarlyData *earlyReport `json:"early_data"` // nil without --early-data

	full, resumed []time.Duration
}

// sessionIn is the outcome for the session of --session-in.
type sessionIn struct {
	File    string `json:"file"`
	Offered bool   `json:"offered"`
	Resumed bool   `json:"resumed"`
}

// timing summarizes the handshakes of one kind, in milliseconds.
type timing struct {
	Count  int     `json:"count"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// add counts a connection whose handshake is complete. offer is the session that was given to
// it, nil for none. With a file, the first offer is the session of that file.
func (r *report) add(c *ssl.Conn, took time.Duration, offer *ssl.Session, file string) {
	st := c.ConnectionState()
	r.Address = c.RemoteAddr().String()
	r.Verified, r.PSK = st.Verified, st.PSKIdentity
	r.Protocol, r.Cipher = ssl.VersionName(st.Version), st.CipherName
	r.ALPN, r.ECH = st.NegotiatedProtocol, st.ECHAccepted
	if offer == nil {
		r.Group, r.Compressed = st.Group, st.PeerCertificateCompressed
		r.full = append(r.full, took)
		return
	}
	if file != "" && r.SessionIn == nil {
		r.SessionIn = &sessionIn{file, c.SessionOffered(), st.DidResume}
	}
	if c.SessionOffered() {
		r.Offered++
	}
	if st.DidResume {
		r.How = howClient(st, offer)
		r.resumed = append(r.resumed, took)
	}
}

// noteLifetime reads how long the server lets the session be used; s may be nil.
func (r *report) noteLifetime(s *ssl.Session) {
	if s == nil {
		return
	}
	if ok, err := s.HasTicket(); err != nil || !ok {
		return
	}
	hint, err := s.TicketLifetimeHint()
	if err != nil || hint == 0 { // in TLS 1.2, 0 leaves it to the client
		return
	}
	n := int64(hint / time.Second)
	r.LifetimeSeconds = &n
}

// finish computes the totals.
func (r *report) finish() {
	r.Resumed = len(r.resumed)
	r.Reuse = r.Offered > 0 && r.Resumed == r.Offered && (r.SessionIn == nil || r.SessionIn.Resumed)
	if r.How == "" {
		r.How = howNone
	}
	r.FullMS, r.ResumedMS = sumUp(r.full), sumUp(r.resumed)
	if r.FullMS != nil && r.ResumedMS != nil && r.ResumedMS.Median > 0 {
		x := math.Round(100*r.FullMS.Median/r.ResumedMS.Median) / 100
		r.Speedup = &x
	}
}

// sumUp returns nil if there were no handshakes.
func sumUp(d []time.Duration) *timing {
	if len(d) == 0 {
		return nil
	}
	d = slices.Sorted(slices.Values(d))
	return &timing{len(d), ms(median(d)), ms(d[0]), ms(d[len(d)-1])}
}

// median returns the median of a sorted list: with an even number, the mean of the middle two.
func median(d []time.Duration) time.Duration {
	return (d[(len(d)-1)/2] + d[len(d)/2]) / 2
}

// ms returns d in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// print writes the report. It returns a noReuseError if reuse does not work.
func (r *report) print(w io.Writer, asJSON bool) error {
	write := r.table
	if asJSON {
		write = func(w io.Writer) error { return writeJSON(w, r) }
	}
	if err := write(w); err != nil {
		return err
	}
	switch {
	case r.Reuse && r.EarlyData.works():
		return nil
	case r.Reuse:
		return noReuseError{fmt.Errorf("%s: early data was %s", r.Target, r.EarlyData.verdict())}
	case r.SessionIn != nil && !r.SessionIn.Resumed:
		return noReuseError{fmt.Errorf("%s: %s", r.SessionIn.File, r.SessionIn.verdict())}
	case r.Offered == 0:
		return noReuseError{fmt.Errorf("%s gave no session to offer", r.Target)}
	}
	return noReuseError{fmt.Errorf("%s resumed %d of %d sessions", r.Target, r.Resumed, r.Offered)}
}

// table writes the report as text.
func (r *report) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t"+format+"\n", append([]any{name}, args...)...)
	}
	line("server", "%s (%s), %s", r.Target, r.Address, r.verification())
	line("protocol", "%s", r.protocol())
	line("reuse", "%s", r.verdict())
	if s := r.SessionIn; s != nil {
		line("session in", "%s: %s", s.File, s.verdict())
	}
	if r.EarlyData != nil {
		line("early data", "%s", r.EarlyData.verdict())
	}
	if r.Offered > 0 {
		line("ticket lifetime", "%s", r.lifetime())
	}
	if r.NeedsData {
		line("tickets", "come only after data")
	}
	if r.SessionOut != nil {
		line("session out", "%s", *r.SessionOut)
	}
	t.Flush()
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\nhandshake\tcount\tmedian\tmin\tmax\t\n")
	r.FullMS.row(t, "full")
	r.ResumedMS.row(t, "resumed")
	t.Flush()
	if r.Speedup == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "\na resumed handshake takes %.0f %% of the time of a full one\n",
		100*r.ResumedMS.Median/r.FullMS.Median)
	return err
}

func (r *report) verification() string {
	switch {
	case r.PSK != "":
		return "authenticated by the PSK " + strconv.Quote(r.PSK)
	case r.Verified:
		return r.certificate() + " verified"
	}
	return r.certificate() + " NOT verified"
}

func (r *report) certificate() string {
	if r.Compressed {
		return "compressed certificate"
	}
	return "certificate"
}

func (r *report) protocol() string {
	s := r.Protocol + ", " + r.Cipher
	if r.Group != "" {
		s += ", " + r.Group
	}
	if r.ALPN != "" {
		s += ", " + r.ALPN
	}
	return s
}

func (r *report) verdict() string {
	word, by := "no", ""
	switch {
	case r.Offered == 0 && r.SessionIn == nil:
		return "no: the server gave no session to offer"
	case r.Offered > 0 && r.Resumed == r.Offered:
		word = "yes"
	case r.Resumed > 0:
		word = "not always"
	}
	switch r.How {
	case howID:
		by = " by session id"
	case howTicket:
		by = " by ticket"
	}
	return fmt.Sprintf("%s: %d of %d sessions were resumed%s", word, r.Resumed, r.Offered, by)
}

func (s *sessionIn) verdict() string {
	switch {
	case s.Resumed:
		return "resumed"
	case s.Offered:
		return "refused by the server"
	}
	return "not offered, for its certificate does not verify now (intermediates must be in --ca)"
}

func (r *report) lifetime() string {
	if r.LifetimeSeconds == nil {
		return "not told by the server"
	}
	return (time.Duration(*r.LifetimeSeconds) * time.Second).String()
}

func (t *timing) row(w io.Writer, name string) {
	if t == nil {
		fmt.Fprintf(w, "%s\t0\t-\t-\t-\t\n", name)
		return
	}
	fmt.Fprintf(w, "%s\t%d\t%.2f ms\t%.2f ms\t%.2f ms\t\n", name, t.Count, t.Median, t.Min, t.Max)
}
