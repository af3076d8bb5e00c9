package ssl_test

import (
	"runtime"
	"sync"
	"testing"
	"weak"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

type value struct{ n int }

// exData is the value under i, which must be there to be read.
func exData(t testing.TB, s *ssl.Session, i ssl.SessionIndex) any {
	t.Helper()
	v, err := s.ExData(i)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func setExData(t testing.TB, s *ssl.Session, i ssl.SessionIndex, v any) {
	t.Helper()
	if err := s.SetExData(i, v); err != nil {
		t.Fatal(err)
	}
}

func TestExDataPerIndex(t *testing.T) {
	leakcheck.Test(t)
	a, b := ssl.NewSessionIndex(), ssl.NewSessionIndex()
	if a == b {
		t.Fatal("two indexes are the same")
	}
	s, other := ssltest.MustNew(t), ssltest.MustNew(t)
	defer s.Close()
	defer other.Close()
	if exData(t, s, a) != nil {
		t.Error("a new session has a value")
	}
	setExData(t, s, a, "a")
	setExData(t, s, b, 2)
	setExData(t, other, a, "other")
	if exData(t, s, a) != "a" || exData(t, s, b) != 2 || exData(t, other, a) != "other" ||
		exData(t, other, b) != nil {
		t.Error("values got mixed up")
	}
	setExData(t, s, a, "new")
	setExData(t, s, b, nil)
	if exData(t, s, a) != "new" || exData(t, s, b) != nil || exData(t, other, a) != "other" {
		t.Error("replacing and removing went wrong")
	}
	ssltest.Refuses(t, "SetExData without an index", s.SetExData(ssl.SessionIndex{}, 1), ssl.ErrRange)
	if v, err := s.ExData(ssl.SessionIndex{}); v != nil || err != nil {
		t.Errorf("ExData without an index: %v, %v", v, err)
	}
}

func TestExDataBelongsToTheObject(t *testing.T) {
	leakcheck.Test(t)
	i := ssl.NewSessionIndex()
	s := ssltest.MustNew(t)
	up := ssltest.Get(t, s.UpRef)
	defer up.Close()
	setExData(t, s, i, "set on s")
	s.Close()
	if exData(t, up, i) != "set on s" {
		t.Error("the value went with the handle")
	}
	setExData(t, up, i, "set on up")
	again := ssltest.Get(t, up.UpRef)
	defer again.Close()
	if exData(t, again, i) != "set on up" {
		t.Error("another handle sees another value")
	}
}

func TestExDataIsCopiedByDup(t *testing.T) {
	leakcheck.Test(t)
	i, j := ssl.NewSessionIndex(), ssl.NewSessionIndex()
	s := ssltest.MustNew(t)
	setExData(t, s, i, "before")
	d := ssltest.Get(t, s.Dup)
	defer d.Close()
	setExData(t, s, i, "after")
	setExData(t, d, j, "copy's own")
	if exData(t, d, i) != "before" || exData(t, s, i) != "after" || exData(t, s, j) != nil {
		t.Errorf("original %v %v, copy %v", exData(t, s, i), exData(t, s, j), exData(t, d, i))
	}
	second := ssltest.Get(t, d.Dup)
	defer second.Close()
	s.Close()
	if exData(t, d, i) != "before" || exData(t, second, i) != "before" || exData(t, second, j) != "copy's own" {
		t.Error("the copies do not stand alone")
	}
}

func TestExDataOutlivesTheConnection(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		i := ssl.NewSessionIndex()
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		s := ssltest.SessionOf(t, p.Client)
		setExData(t, s, i, fm.Name)
		p.CloseBoth()
		if exData(t, s, i) != fm.Name {
			t.Error("the value went with the connection")
		}
		next := ssltest.NewTCPPair(t, cli, srv)
		if err := next.Client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		if exData(t, s, i) != fm.Name {
			t.Error("SetSession took the value")
		}
		if parsed := ssltest.Reparsed(t, s); exData(t, parsed, i) != nil {
			t.Error("DER carries a Go value")
		}
	})
}

// A value is let go when the last handle is, and not before.
func TestExDataIsDropped(t *testing.T) {
	leakcheck.Test(t)
	i := ssl.NewSessionIndex()
	tables := ssl.ValueTables()
	s := ssltest.MustNew(t)
	w := func() weak.Pointer[value] {
		v := &value{1}
		setExData(t, s, i, v)
		return weak.Make(v)
	}()
	up, d := ssltest.Get(t, s.UpRef), ssltest.Get(t, s.Dup)
	for what, h := range map[string]*ssl.Session{"up": up, "s": s} {
		ssltest.CollectGarbage()
		if w.Value() == nil {
			t.Fatalf("the value went before %s was closed", what)
		}
		h.Close()
	}
	ssltest.MustNew(t).Close() // handles in the making drain what has ended
	ssltest.CollectGarbage()
	if w.Value() == nil {
		t.Fatal("the value went before the copy was closed")
	}
	d.Close()
	ssltest.MustNew(t).Close()
	ssltest.Eventually(t, "the value is dropped", func() bool { return w.Value() == nil })
	if n := ssl.ValueTables(); n != tables {
		t.Errorf("%d tables of values, before %d", n, tables)
	}
}

func TestExDataOfDroppedSessionsIsDropped(t *testing.T) {
	leakcheck.Test(t)
	i := ssl.NewSessionIndex()
	tables := ssl.ValueTables()
	const n = 100
	var ws [n]weak.Pointer[value]
	for k := range n {
		func() {
			v := &value{k}
			s := ssltest.MustNew(t)
			setExData(t, s, i, v)
			if _, err := s.Dup(); err != nil {
				t.Fatal(err)
			}
			ws[k] = weak.Make(v)
		}()
	}
	ssltest.Eventually(t, "all tables of values are gone", func() bool { return ssl.ValueTables() == tables })
	for _, w := range ws {
		ssltest.Eventually(t, "all values are gone", func() bool { return w.Value() == nil })
	}
}

func TestExDataFromManyGoroutines(t *testing.T) {
	leakcheck.Test(t)
	tables := ssl.ValueTables()
	shared := ssltest.MustNew(t)
	common := ssl.NewSessionIndex()
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			own := ssl.NewSessionIndex()
			for k := range 200 {
				s := ssltest.MustNew(t)
				setExData(t, s, own, k)
				d := ssltest.Get(t, s.Dup)
				setExData(t, shared, own, k)
				setExData(t, shared, common, g)
				s.Close()
				if exData(t, d, own) != k || exData(t, shared, own) != k {
					t.Errorf("goroutine %d, round %d: %v and %v", g, k, exData(t, d, own), exData(t, shared, own))
				}
				if v, ok := exData(t, shared, common).(int); !ok || v < 0 || v >= 16 {
					t.Errorf("a value that nobody set: %v", v)
				}
				d.Close()
			}
		})
	}
	wg.Wait()
	shared.Close()
	if n := ssl.ValueTables(); n != tables {
		t.Errorf("%d tables of values, before %d", n, tables)
	}
	runtime.KeepAlive(shared)
}
