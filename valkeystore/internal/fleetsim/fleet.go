package fleetsim

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"sessl/valkeystore/internal/schedule"
)

// A fleet is what a run is about.
type fleet struct {
	world    *world
	c        Config
	weight   float64 // how many clients one of the sample stands for
	runs     int     // of nodes
	node     *node   // the database
	second   *node   // the other half's, while the fleet is split
	slow     time.Duration
	machines []*machine
	secrets  map[string]*secret
	sealed   uint64
	order    []*secret
	flights  int
	session  int
	splits   []split       // the last one may not have ended
	rejoined time.Duration // when the last split ended
	lost     time.Duration // when a database last lost data
	jumped   time.Duration // when the clock of the database was set
	back     []jump        // how far it was set back
	r        Result
}

// Run simulates a fleet.
func Run(c Config) *Result {
	f := newFleet(c.complete())
	defer f.world.close()
	if c.Record {
		f.record()
	}
	f.world.run(f.c.Length)
	f.end()
	return &f.r
}

// long is a time before all others.
const long = -1000 * time.Hour

func newFleet(c Config) *fleet {
	f := &fleet{world: newWorld(c.Seed), c: c, weight: c.Clients / float64(max(1, c.Sample)),
		secrets: map[string]*secret{}, jumped: long, lost: long}
	f.node = newNode(f.world, &f.runs)
	for i := range c.Servers {
		f.machines = append(f.machines, f.start(i))
	}
	for range c.Sample {
		f.join()
	}
	for _, fault := range c.Faults {
		f.world.after(fault.At, func() { f.apply(fault) })
	}
	return f
}

// drops reports whether a message gets lost.
func (f *fleet) drops() bool { return f.c.Loss > 0 && f.world.rand.Float64() < f.c.Loss }

// A secret is a ticket key, and what the fleet does with it.
type secret struct {
	bytes [schedule.SecretLen]byte
	name  string

	holders    int           // machines that have had it; those that began anew count again
	everywhere time.Duration // when all of them had it
	made, from time.Time     // as the schedule has it
	stored     int           // how often it came into the database; more than once if that lost it
	written    time.Duration // when it first did so
	at         time.Duration // when it did so last
	first      time.Duration // when it began to encrypt; 0 if it has not
	lone       bool          // no key encrypted when it began
	last       time.Duration // the clock of the machine that was the last to encrypt with it
}

func (s *secret) Name() string                 { return s.name }
func (s *secret) SecretBytes() ([]byte, error) { return bytes.Clone(s.bytes[:]), nil }

func of(k schedule.Key) *secret {
	if k.Secret == nil {
		return nil
	}
	return k.Secret.(*secret)
}

// New implements schedule.Vault, and so do Parse, Seal and Open.
func (f *fleet) New() (schedule.Secret, error) {
	s := &secret{}
	binary.BigEndian.PutUint64(s.bytes[8:], f.world.rand.Uint64())
	binary.BigEndian.PutUint64(s.bytes[:], uint64(len(f.order)+1))
	s.name = hex.EncodeToString(s.bytes[:16])
	f.secrets[string(s.bytes[:16])] = s
	f.order = append(f.order, s)
	return s, nil
}

func (f *fleet) Parse(b []byte) (schedule.Secret, error) {
	if s := f.secrets[string(b[:16])]; s != nil {
		return s, nil
	}
	return nil, errSealed
}

var errSealed = errors.New("sealed otherwise")

const seal = "sealed: "

func (f *fleet) Seal(plain []byte) ([]byte, error) {
	f.sealed++ // a nonce: nothing is sealed twice in the same way
	return append(binary.BigEndian.AppendUint64([]byte(seal), f.sealed), plain...), nil
}

func (f *fleet) Open(sealed []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, []byte(seal))
	if !ok || len(plain) < 8 {
		return nil, errSealed
	}
	return bytes.Clone(plain[8:]), nil
}
