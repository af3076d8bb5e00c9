package valkeystore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/ssltest"
	"sessl/valkeystore/internal/replay"
)

// BenchmarkDatabase has 64 callers ask one database, and reports what of its processor a call takes, how many
// calls fill it, and what it keeps in memory for one.
func BenchmarkDatabase(b *testing.B) {
	db := dbtest.Start(b)
	srv, cli := ssltest.ServerConfig(b), ssltest.ClientConfig(b)
	c, sctx := machine(b, db.Addr, srv)
	ssltest.WantVisit(b, ssltest.NewClientCtx(b, cli), sctx, nil, false)
	key := db.Keys("shop:s:")[0]
	sealed := []byte(db.Do("GET", key))
	s, until := store{c}, time.Now().Add(time.Hour)

	const there = 1000
	for n := range there {
		if err := s.Put(b.Context(), idOf(n), sealed, until); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("lookup", func(b *testing.B) {
		ask(b, db, func(ctx context.Context, n int) error {
			sealed, err := s.Get(ctx, idOf(n%there))
			if err == nil && sealed == nil {
				err = errors.New("not there")
			}
			return err
		})
	})
	b.Run("store", func(b *testing.B) {
		ask(b, db, func(ctx context.Context, n int) error { return s.Put(ctx, idOf(n), sealed, until) })
		b.ReportMetric(float64(len(sealed)), "B-sealed")
		b.ReportMetric(memory(b, db, key), "B-in-database")
	})
	b.Run("claim", func(b *testing.B) {
		g := guards(b, db.Addr, 1)[0]
		age(b, db)
		ask(b, db, func(ctx context.Context, n int) error {
			_, err := g.Claim(ctx, idOf(n), time.Now().Add(replay.Window))
			return err
		})
		b.ReportMetric(memory(b, db, db.Keys("shop:c:")[0]), "B-in-database")
	})
	b.Run("schedule", func(b *testing.B) {
		for b.Loop() {
			c.tickets.machine.Poll(b.Context())
		}
		schedule := c.name("t", "{t}schedule")
		b.ReportMetric(float64(len(db.Do("GET", schedule))), "B-sealed")
		b.ReportMetric(memory(b, db, schedule), "B-in-database")
	})
}

// ask makes calls, each with another id, and reports what they cost the database.
func ask(b *testing.B, db *dbtest.Server, call func(ctx context.Context, n int) error) {
	b.Helper()
	var n atomic.Int64
	b.SetParallelism(32)
	before := databaseTime(b, db)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			ctx, cancel := context.WithTimeout(b.Context(), patience)
			if err := call(ctx, int(n.Add(1))); err != nil {
				b.Error(err)
			}
			cancel()
		}
	})
	each := (databaseTime(b, db) - before).Seconds() / float64(b.N)
	b.ReportMetric(each*1e6, "database-us/op")
	b.ReportMetric(1/each, "fill-it/s")
}

// idOf is an id of 32 bytes.
func idOf(n int) []byte { return fmt.Appendf(nil, "%032d", n) }

// memory is what the database takes for a key, with its value.
func memory(b *testing.B, db *dbtest.Server, key string) float64 {
	b.Helper()
	n, err := strconv.ParseFloat(db.Do("MEMORY", "USAGE", key), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

var usedCPU = regexp.MustCompile(`used_cpu_(?:sys|user):([0-9.]+)`)

// databaseTime is the processor time that the database has taken.
func databaseTime(b *testing.B, db *dbtest.Server) (sum time.Duration) {
	b.Helper()
	for _, m := range usedCPU.FindAllStringSubmatch(db.Do("INFO", "cpu"), -1) {
		s, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(s * float64(time.Second))
	}
	return sum
}
