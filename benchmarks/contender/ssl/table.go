package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"sessl/benchmarks/contender"
	"sessl/ssl"
)

const lookFor = 2 * time.Second

// table fills a ServerSessionCache with copies of a session, and looks all of them up at random.
// Each lookup makes a handle and closes it.
func table(o *contender.Options) (*contender.Report, error) {
	proto, err := serverSession(o)
	if err != nil {
		return nil, err
	}
	cache, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{MaxSessions: 2 * o.N})
	if err != nil {
		return nil, err
	}
	run := make([]byte, 24)
	rand.Read(run)
	before, start := contender.Resident(), time.Now()
	for i := range o.N {
		s, err := proto.Dup()
		if err != nil {
			return nil, err
		}
		if err := s.SetID(sessionID(run, i)); err != nil {
			return nil, err
		}
		if !cache.Put(s) {
			return nil, errors.New("a session is not kept")
		}
	}
	took := time.Since(start)
	r := &contender.Report{Count: o.N, Puts: float64(o.N) / took.Seconds()}
	r.Bytes = float64(contender.Resident()-before) / float64(o.N)
	r.Lookups, err = lookups(o.N, func(i int) bool {
		s := cache.Get(sessionID(run, i))
		s.Close()
		return s != nil
	})
	return r, err
}

// sessionID returns the id of the i-th session of a run. The hash of libssl's table uses the
// first bytes.
func sessionID(run []byte, i int) []byte {
	x := uint64(i+1) * 0x9e3779b97f4a7c15
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 32), x^x>>31), run...)
}

// lookups returns how many lookups per second all processors make together.
func lookups(n int, look func(int) bool) (float64, error) {
	var total, missing atomic.Int64
	var all sync.WaitGroup
	stop := time.Now().Add(lookFor)
	for worker := range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			x := uint64(worker)*0x9e3779b97f4a7c15 + 1
			done := 0
			for done%1024 != 0 || time.Now().Before(stop) {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
				if !look(int(x % uint64(n))) {
					missing.Add(1)
				}
				done++
			}
			total.Add(int64(done))
		})
	}
	all.Wait()
	if missing.Load() > 0 {
		return 0, fmt.Errorf("%d lookups found no session", missing.Load())
	}
	return float64(total.Load()) / lookFor.Seconds(), nil
}

// serverSession returns a copy of a session that a server made: its Ctx, when it ends, marks its
// own sessions as not resumable.
func serverSession(o *contender.Options) (s *ssl.Session, err error) {
	cert, err := ssl.LoadX509KeyPair(o.ServerCert())
	if err != nil {
		return nil, err
	}
	srv, err := ssl.NewServerCtx(&ssl.Config{MinVersion: o.Version, MaxVersion: o.Version,
		Certificates: []ssl.Certificate{cert}, SessionTicketsDisabled: true, NumTickets: 1,
		OnNewSession: func(_ *ssl.Conn, got *ssl.Session) { s, _ = got.Dup() }})
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	l, err := open(o)
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() {
		c, err := ssl.NewListener(ln, srv).Accept()
		if err == nil {
			_, err = c.Write([]byte{1})
			defer c.Close()
		}
		served <- err
	}()
	cli, err := l.NewClient()
	if err != nil {
		return nil, err
	}
	c, err := cli.Dial(ln.Addr().String(), false)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_, err = io.ReadFull(c, make([]byte, 1))
	return s, errors.Join(err, <-served)
}
