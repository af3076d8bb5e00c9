package valkeystore

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sessl/valkeystore/internal/schedule"
)

// ScheduleState says how far a machine can go with the ticket keys that it knows.
type ScheduleState string

// The states, from good to bad; the first is that of a machine which has just begun.
const (
	// ScheduleStarting: there is no schedule here yet. No ticket is issued or opened.
	ScheduleStarting = ScheduleState(schedule.Starting)
	// ScheduleReady: the database has answered within a period, and keys rotate.
	ScheduleReady = ScheduleState(schedule.Ready)
	// ScheduleStale: the database has not answered for a period, and keys go on rotating as agreed.
	ScheduleStale = ScheduleState(schedule.Stale)
	// ScheduleExtended: the schedule has run out, and the last key encrypts for one more period.
	ScheduleExtended = ScheduleState(schedule.Extended)
	// ScheduleWithheld: no key encrypts. No ticket is issued, and older ones are opened.
	ScheduleWithheld = ScheduleState(schedule.Withheld)
	// ScheduleEnded: no key opens anything any more.
	ScheduleEnded = ScheduleState(schedule.Ended)
)

// The errors of [Client.Health] about ticket keys.
var (
	// ErrScheduleRefused says that the schedule in the database cannot be used, and why: it was sealed
	// with other keys or for another namespace, or is damaged, or of another version. The machine goes on
	// with what it has, and does not write over it.
	ErrScheduleRefused = errors.New("the schedule of ticket keys in the database is refused")

	// ErrScheduleStale says that the database has not answered for a period or longer, or has not taken the
	// first schedule, and what becomes of tickets.
	ErrScheduleStale = errors.New("the schedule of ticket keys is stale")

	// ErrScheduleFails says that the schedule could not be read or written three times in a row or more, and
	// why. Keys rotate as agreed meanwhile; after a period without an answer it is ErrScheduleStale.
	ErrScheduleFails = errors.New("the schedule of ticket keys cannot be read or written")
)

// Stats are the counters of a [Client], since Open.
type Stats struct {
	Connected  bool // the database has answered once
	Schedule   ScheduleStats
	Claims     ClaimStats
	Sessions   SessionStats
	Neighbours NeighbourStats
}

// ScheduleStats are about ticket keys. All is zero before the first call of [Client.TicketKeys].
type ScheduleStats struct {
	State      ScheduleState
	Era        uint64        // all keys of an earlier one are void
	Generation uint64        // grows with each change of the schedule
	Keys       int           // in the schedule; Infos of the TicketKeys has each
	Age        time.Duration // how long ago the database answered, by the monotonic clock; 0 if it never did

	Fetches  uint64 // answers of the database
	Failures uint64 // questions and writes without one
	Writes   uint64 // schedules that this machine wrote
	Late     uint64 // schedules that another machine was faster with

	Refused ScheduleRefusals
}

// ScheduleRefusals say why schedules of the database were not taken, once for each time that it was asked.
type ScheduleRefusals struct {
	Unopened  uint64 // sealed with other keys or for another namespace, or damaged
	Version   uint64 // of another version of this package
	Malformed uint64 // sealed by these keys, and no schedule
	TooMany   uint64 // with more than 64 keys
	Lower     uint64 // of a lower generation, or an earlier era, than this machine's
	Ended     uint64 // without a key that opens anything any more: older than KeepFor
}

// Stats returns the counters; of a nil Client the zero value.
func (c *Client) Stats() (s Stats) {
	if c == nil {
		return s
	}
	_, err := c.database()
	s.Connected = err == nil
	s.Schedule = scheduleStats(c.tickets.machine.Status())
	s.Claims = c.claimStats()
	s.Sessions = c.sessionStats()
	s.Neighbours = c.neighbourStats()
	return s
}

func scheduleStats(s schedule.Status) ScheduleStats {
	n := s.Counters
	return ScheduleStats{
		State: ScheduleState(s.State), Era: s.Era, Generation: s.Generation, Keys: s.Keys, Age: s.Age,
		Fetches: n.Fetched, Failures: n.Failed, Writes: n.Written, Late: n.Lost,
		Refused: ScheduleRefusals{Unopened: n.Unopened, Version: n.Version, Malformed: n.Malformed,
			TooMany: n.TooMany, Lower: n.Lower, Ended: n.Dead},
	}
}

// Health returns nil if all is well, and otherwise what is wrong: ErrNotConnected if the database has never
// answered, with the reason; and if the Client's ticket keys are used, ErrScheduleRefused,
// ErrScheduleStale if the database has not answered for a period, and ErrScheduleFails if it has failed
// three times in a row; if its cache is used, ErrCircuitOpen; if
// its guard is used, that or ErrEviction; and ErrNeighbours if these are behind. Several errors are joined.
// It asks the database nothing. It returns ErrNil or ErrClosed for a Client that cannot be used.
func (c *Client) Health() error {
	const op = "Client.Health"
	if _, err := c.database(); err != nil {
		return fail(op, err)
	}
	err := errors.Join(c.ticketsHealth(), c.claimsHealth(), c.sessionsHealth(), c.neighboursHealth())
	if err != nil {
		return fail(op, err)
	}
	return nil
}

func (c *Client) ticketsHealth() error {
	if !c.tickets.used.Load() {
		return nil
	}
	s := c.tickets.machine.Status()
	var errs []error
	if s.Refused != nil {
		errs = append(errs, fmt.Errorf("%w: %w", ErrScheduleRefused, s.Refused))
	}
	n := c.tickets.failed.Load()
	switch {
	case s.Failed == nil:
	case s.State == schedule.Starting:
		errs = append(errs, fmt.Errorf("%w: %s for %v: %w", ErrScheduleStale, s.State,
			time.Since(c.tickets.begun).Round(time.Millisecond), s.Failed))
	case s.State != schedule.Ready || s.Age == 0:
		errs = append(errs, fmt.Errorf("%w: %s, the last answer is %v old: %w", ErrScheduleStale, s.State,
			s.Age.Round(time.Millisecond), s.Failed))
	case n >= fewFailures:
		errs = append(errs, fmt.Errorf("%w, %d times in a row: %w", ErrScheduleFails, n, s.Failed))
	}
	return errors.Join(append(errs, s.Putting)...)
}

// sayTickets logs the state of the schedule if it is another one than before. That the database fails is part
// of the state; with which error is not, as that has ports in it.
func (c *Client) sayTickets() {
	s := c.tickets.machine.Status()
	why := ""
	for _, err := range []error{s.Refused, s.Putting} {
		if err != nil {
			why += " " + err.Error()
		}
	}
	failing := s.Failed != nil && c.tickets.failed.Load() >= fewFailures
	now := string(s.State) + why
	if failing {
		now += " fails"
	}
	before := c.tickets.said
	c.tickets.said = now
	if now == before || before == "" && now == string(schedule.Starting) {
		return
	}
	level := slog.LevelInfo
	if s.State != schedule.Ready || why != "" || failing {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("state", string(s.State)), slog.Uint64("generation", s.Generation)}
	if why != "" {
		attrs = append(attrs, slog.String("reason", why[1:]))
	}
	if c.neighbours.keeps() {
		attrs = append(attrs, slog.String("neighbours", "keep the last keys"))
	}
	if s.Failed != nil {
		attrs = append(attrs, slog.String("error", s.Failed.Error()))
	}
	c.opts.Logger.LogAttrs(c.life, level, "valkeystore: ticket keys", attrs...)
}
