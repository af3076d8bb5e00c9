package tickets_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var fleetSecret = []byte("a secret of a fleet, of 32 bytes")

func derive(t testing.TB, period, keep time.Duration) *ssl.TicketKeys {
	t.Helper()
	k, err := ssl.DeriveTicketKeys(fleetSecret, period, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func namesOf(k *ssl.TicketKeys) (names, uses []string) {
	for _, i := range k.Infos() {
		names, uses = append(names, i.Name), append(uses, i.Use)
	}
	return names, uses
}

// nameAt is the name of a period's key by crypto/hkdf.
func nameAt(t testing.TB, period time.Duration, n int64) string {
	t.Helper()
	info := binary.BigEndian.AppendUint64([]byte("ticket key"), uint64(period))
	info = binary.BigEndian.AppendUint64(info, uint64(n))
	b, err := hkdf.Key(sha256.New, fleetSecret, []byte("sessl derived ticket keys"), string(info), 80)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b[:16])
}

// The keys are those of RFC 5869 for the periods around now, and follow the clock.
func TestDerivedTicketKeysFollowTheClock(t *testing.T) {
	leakcheck.Test(t)
	synctest.Test(t, func(t *testing.T) {
		const period = 10 * time.Minute
		k := derive(t, period, 25*time.Minute)
		for range 4 {
			n := time.Now().UnixNano() / int64(period)
			want := []string{nameAt(t, period, n), nameAt(t, period, n+1), nameAt(t, period, n-1),
				nameAt(t, period, n-2), nameAt(t, period, n-3), nameAt(t, period, n-4)}
			got, uses := namesOf(k)
			if len(got) != len(want) {
				t.Fatalf("%d keys, want %d", len(got), len(want))
			}
			for i := range want {
				use := "old"
				if i < 2 {
					use = []string{"current", "next"}[i]
				}
				if got[i] != want[i] || uses[i] != use {
					t.Errorf("key %d is %s (%s), want %s (%s)", i, got[i], uses[i], want[i], use)
				}
			}
			<-time.After(period)
			synctest.Wait()
		}
		if st := k.Stats(); st.Rotations != 4 || st.FailedRotations != 0 {
			t.Errorf("%+v", st)
		}
		k.Close()
		<-time.After(time.Hour)
		if k.Infos() != nil {
			t.Error("closed keys go on")
		}
	})
}

// Processes that share nothing but the secret resume each other's sessions.
func TestDerivedTicketKeysAreShared(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.SessionIDContext = []byte("fleet")
		srv.TicketKeys = derive(t, time.Hour, 0)
		one := ssltest.NewServerCtx(t, srv)
		srv.TicketKeys = derive(t, time.Hour, 0)
		two := ssltest.NewServerCtx(t, srv)
		srv.TicketKeys = derive(t, 2*time.Hour, 0) // other keys
		other := ssltest.NewServerCtx(t, srv)
		cctx := ssltest.NewClientCtx(t, cli)
		s := ssltest.WantVisit(t, cctx, one, nil, false)
		ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), true)
		ssltest.WantVisit(t, cctx, other, ssltest.Dup(t, s), false)
	})
}

func TestDeriveTicketKeysBadInput(t *testing.T) {
	leakcheck.Test(t)
	for name, tc := range map[string]struct {
		secret       []byte
		period, keep time.Duration
	}{
		"no secret":       {nil, time.Hour, 0},
		"a short one":     {fleetSecret[:31], time.Hour, 0},
		"an unfilled one": {make([]byte, 64), time.Hour, 0},
		"a huge one":      {bytes.Repeat(fleetSecret, 1<<16), time.Hour, 0},
		"no period":       {fleetSecret, 0, 0},
		"a negative one":  {fleetSecret, -time.Hour, 0},
		"a short period":  {fleetSecret, time.Second - 1, 0},
		"negative keep":   {fleetSecret, time.Hour, -1},
		"too many keys":   {fleetSecret, time.Hour, 62 * time.Hour},
	} {
		if k, err := ssl.DeriveTicketKeys(tc.secret, tc.period, tc.keep); !errors.Is(err, ssl.ErrConfig) {
			k.Close()
			t.Errorf("%s: %v", name, err)
		}
	}
	k := derive(t, time.Hour, 61*time.Hour)
	if n := len(k.Infos()); n != 64 {
		t.Errorf("%d keys, want 64", n)
	}
	key, err := ssl.NewTicketKey()
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"Rotate": k.Rotate(key), "SetKeys": k.SetKeys(ssl.TicketKeySet{Current: key}), "Reload": k.Reload(),
	} {
		if !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Keys ahead of the next one open tickets, and move up one by one.
func TestFutureTicketKeys(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		keys := make([]ssl.TicketKey, 6)
		for i := range keys {
			var err error
			if keys[i], err = ssl.NewTicketKey(); err != nil {
				t.Fatal(err)
			}
		}
		srv.SessionIDContext = []byte("fleet")
		serve := func(set ssl.TicketKeySet) (*ssl.Ctx, *ssl.TicketKeys) {
			k, err := ssl.NewTicketKeysFrom(set)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { k.Close() })
			srv.TicketKeys = k
			return ssltest.NewServerCtx(t, srv), k
		}
		behind, k := serve(ssl.TicketKeySet{Current: keys[0], Next: keys[1], Future: keys[2:4]})
		ahead, _ := serve(ssl.TicketKeySet{Current: keys[3], Old: keys[:3]})
		cctx := ssltest.NewClientCtx(t, cli)
		s := ssltest.WantVisit(t, cctx, ahead, nil, false)
		ssltest.WantVisit(t, cctx, behind, s, true)

		for i := range 2 {
			if err := k.Rotate(keys[4+i]); err != nil {
				t.Fatal(err)
			}
		}
		got, uses := namesOf(k)
		for i, want := range []struct {
			key int
			use string
		}{{2, "current"}, {3, "next"}, {4, "future"}, {5, "future"}, {1, "old"}} {
			if i >= len(got) || got[i] != keys[want.key].Name() || uses[i] != want.use {
				t.Fatalf("%v %v; at %d want key %d, %s", got, uses, i, want.key, want.use)
			}
		}
		if len(got) != 5 {
			t.Errorf("%d keys", len(got))
		}
	})
}

func TestFutureTicketKeysBadInput(t *testing.T) {
	leakcheck.Test(t)
	keys := make([]ssl.TicketKey, 66)
	for i := range keys {
		var err error
		if keys[i], err = ssl.NewTicketKey(); err != nil {
			t.Fatal(err)
		}
	}
	for name, set := range map[string]ssl.TicketKeySet{
		"without a next one": {Current: keys[0], Future: keys[1:2]},
		"one of them zero":   {Current: keys[0], Next: keys[1], Future: make([]ssl.TicketKey, 1)},
		"twice":              {Current: keys[0], Next: keys[1], Future: keys[1:2]},
		"too many":           {Current: keys[0], Next: keys[1], Future: keys[2:65]},
	} {
		if k, err := ssl.NewTicketKeysFrom(set); !errors.Is(err, ssl.ErrConfig) {
			k.Close()
			t.Errorf("%s: %v", name, err)
		}
	}
	set := ssl.TicketKeySet{Current: keys[0], Next: keys[1], Future: keys[2:4], Old: keys[4:5]}
	text, err := set.SecretHAProxy()
	if err != nil || bytes.Count(text, []byte("\n")) != 3 {
		t.Fatalf("%d lines, %v", bytes.Count(text, []byte("\n")), err)
	}
	set, err = ssl.ParseTicketKeys(text)
	if err != nil || set.Next.Name() != keys[1].Name() || set.Old[0].Name() != keys[4].Name() {
		t.Errorf("%+v, %v", set, err)
	}
}

// A set of 64 keys can be rotated like any other: the oldest goes.
func TestRotateManyTicketKeys(t *testing.T) {
	leakcheck.Test(t)
	keys := make([]ssl.TicketKey, 65)
	for i := range keys {
		var err error
		if keys[i], err = ssl.NewTicketKey(); err != nil {
			t.Fatal(err)
		}
	}
	for name, set := range map[string]ssl.TicketKeySet{
		"old ones":    {Current: keys[0], Old: keys[1:64]},
		"future ones": {Current: keys[0], Next: keys[1], Future: keys[2:64]},
	} {
		k, err := ssl.NewTicketKeysFrom(set)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := k.Rotate(ssl.TicketKey{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if n := len(k.Infos()); n != 64 {
				t.Errorf("%s: %d keys", name, n)
			}
		}
		k.Close()
	}
}
