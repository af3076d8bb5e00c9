package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"sessl/ssl"
)

// earlyReport counts the outcomes of --early-data on the connections that were given a session.
type earlyReport struct {
	Accepted int    `json:"accepted"`
	Rejected int    `json:"rejected"`
	NotSent  int    `json:"not_sent"`
	Why      string `json:"why"` // the reason, the last time that none was sent
	MaxBytes uint32 `json:"max_bytes"`
}

// sendEarly sends the text of c as early data, if the session allows it.
func (p *prober) sendEarly(ctx context.Context, c *ssl.Conn) (why string, err error) {
	max, proto, err := c.EarlyDataTerms()
	if err != nil {
		return whyNotEarly(err)
	}
	p.report.EarlyData.MaxBytes = max
	text := p.o.request(proto)
	if p.o.send != nil {
		text = *p.o.send
	}
	if text == "" {
		return "what to send in " + proto + " must be said with --send", nil
	}
	stop := context.AfterFunc(ctx, func() { c.NetConn().Close() })
	defer stop()
	_, err = io.WriteString(earlyWriter{c}, text)
	return whyNotEarly(err)
}

// whyNotEarly returns err as a text if it only says why no early data was sent.
func whyNotEarly(err error) (string, error) {
	var e *ssl.Error
	for _, none := range []error{ssl.ErrNoEarlyData, ssl.ErrTooLarge} {
		if errors.Is(err, none) && errors.As(err, &e) {
			return strings.TrimPrefix(e.Err.Error(), none.Error()+": "), nil
		}
	}
	return "", err
}

type earlyWriter struct{ c *ssl.Conn }

func (w earlyWriter) Write(b []byte) (int, error) { return w.c.WriteEarlyData(b) }

// add counts a connection whose handshake is complete.
func (r *earlyReport) add(c *ssl.Conn, why string) {
	switch c.EarlyDataStatus() {
	case ssl.EarlyDataAccepted:
		r.Accepted++
	case ssl.EarlyDataRejected:
		r.Rejected++
	default:
		r.NotSent++
		r.Why = why
	}
}

// works reports whether all early data was accepted. A nil report means that none was asked
// for.
func (r *earlyReport) works() bool {
	return r == nil || r.Accepted > 0 && r.Rejected+r.NotSent == 0
}

// verdict describes the outcome in one line.
func (r *earlyReport) verdict() string {
	var parts []string
	for _, n := range []struct {
		n    int
		word string
	}{{r.Accepted, "accepted"}, {r.Rejected, "rejected"}, {r.NotSent, "not sent"}} {
		if n.n > 0 {
			parts = append(parts, fmt.Sprintf("%s on %d", n.word, n.n))
		}
	}
	total := r.Accepted + r.Rejected + r.NotSent
	if total == 0 {
		return "not sent: there was no session"
	}
	s := fmt.Sprintf("%s of %d connections", strings.Join(parts, ", "), total)
	if r.NotSent > 0 {
		s += ": " + r.Why
	}
	return s
}
