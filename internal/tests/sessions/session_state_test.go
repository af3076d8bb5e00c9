package sessions_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var reflectIndex = ssl.NewSessionIndex()

// methods returns the exported methods of a type by name. Hold is a helper of the tests.
func methods(x any) map[string]reflect.Method {
	ms := map[string]reflect.Method{}
	for i := range reflect.TypeOf(x).NumMethod() {
		if m := reflect.TypeOf(x).Method(i); m.Name != "Hold" {
			ms[m.Name] = m
		}
	}
	return ms
}

// call calls a method on recv with arguments that are good enough to get past nil checks.
func call(t *testing.T, recv any, name string) []reflect.Value {
	t.Helper()
	m := reflect.ValueOf(recv).MethodByName(name)
	var args []reflect.Value
	for i := range m.Type().NumIn() {
		switch in := m.Type().In(i); in {
		case reflect.TypeFor[io.Writer]():
			args = append(args, reflect.ValueOf(io.Discard))
		case reflect.TypeFor[ssl.SessionIndex]():
			args = append(args, reflect.ValueOf(reflectIndex))
		case reflect.TypeFor[*ssl.Session]():
			args = append(args, reflect.ValueOf(ssltest.FilledSession(t, ssl.VersionTLS12)))
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	return m.Call(args)
}

// without checks the methods that do not report an error; for the others it returns it.
func without(t *testing.T, name string, out []reflect.Value, want error) (err error, reports bool) {
	t.Helper()
	switch name {
	case "Close":
		if !out[0].IsNil() {
			t.Errorf("Close: %v", out[0])
		}
	case "Same":
		if out[0].Bool() {
			t.Error("Same is true")
		}
	case "String", "GoString", "LogValue":
		if s := fmt.Sprint(out[0].Interface()); !strings.Contains(s, want.Error()) {
			t.Errorf("%s is %q, want the reason %q", name, s, want)
		}
	default:
		err, ok := out[len(out)-1].Interface().(error)
		if !ok {
			t.Errorf("%s returned no error", name)
		}
		for _, v := range out[:len(out)-1] {
			if !v.IsZero() {
				t.Errorf("%s returned %v with its error", name, v)
			}
		}
		return err, ok
	}
	return nil, false
}

// Every method of a nil, a zero and a closed Session says so. A new method is covered
// without being listed here.
func TestEveryMethodOfADeadSession(t *testing.T) {
	closed := func(t *testing.T) *ssl.Session {
		s := ssltest.MustNew(t)
		s.Close()
		return s
	}
	for _, dead := range []struct {
		name string
		make func(*testing.T) *ssl.Session
		want error
	}{
		{"nil", func(*testing.T) *ssl.Session { return nil }, ssl.ErrNil},
		{"zero", func(*testing.T) *ssl.Session { return new(ssl.Session) }, ssl.ErrClosed},
		{"closed", closed, ssl.ErrClosed},
	} {
		t.Run(dead.name, func(t *testing.T) {
			leakcheck.Test(t)
			for name := range methods((*ssl.Session)(nil)) {
				err, reports := without(t, name, call(t, dead.make(t), name), dead.want)
				if !reports {
					continue
				}
				ssltest.Refuses(t, name, err, dead.want)
				var e *ssl.Error
				if errors.As(err, &e) && e.Op != "Session."+name {
					t.Errorf("%s: the error names the operation %q", name, e.Op)
				}
			}
		})
	}
}

// withBorrowed runs f with a session on loan, made by a real connection.
func withBorrowed(t *testing.T, f func(*ssl.BorrowedSession)) {
	t.Helper()
	s := ssltest.StartServer(t, ssltest.ServerConfig(t))
	c := ssltest.Dial(t, s, ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), nil)
	defer c.Close()
	err := c.WithSession(func(b *ssl.BorrowedSession) error { f(b); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryMethodOfAnExpiredLoan(t *testing.T) {
	leakcheck.Test(t)
	var kept *ssl.BorrowedSession
	var outlives *ssl.Session
	var id []byte
	withBorrowed(t, func(b *ssl.BorrowedSession) {
		kept = b
		outlives = ssltest.Get(t, b.UpRef)
		id = ssltest.Get(t, b.ID)
		for name := range methods(b) {
			if out := call(t, b, name); out[len(out)-1].Type() == reflect.TypeFor[error]() &&
				!out[len(out)-1].IsNil() {
				// What this session cannot do is no matter of the loan.
				err := out[len(out)-1].Interface().(error)
				if !errors.Is(err, ssl.ErrUnsupported) && !errors.Is(err, ssl.ErrNotResumable) {
					t.Errorf("%s, during the loan: %v", name, err)
				}
			} else if s, ok := out[0].Interface().(*ssl.Session); ok {
				s.Close()
			}
		}
	})
	for name := range methods(kept) {
		if err, reports := without(t, name, call(t, kept, name), ssl.ErrBorrowExpired); reports {
			ssltest.Refuses(t, name, err, ssl.ErrBorrowExpired)
		}
	}
	for name := range methods(kept) {
		if err, reports := without(t, name, call(t, (*ssl.BorrowedSession)(nil), name), ssl.ErrNil); reports {
			ssltest.Refuses(t, name, err, ssl.ErrNil)
		}
		if err, reports := without(t, name, call(t, new(ssl.BorrowedSession), name), ssl.ErrClosed); reports {
			ssltest.Refuses(t, name, err, ssl.ErrClosed)
		}
	}
	if got := ssltest.Get(t, outlives.ID); string(got) != string(id) || len(got) == 0 {
		t.Errorf("after the loan the id is %x, during it %x", got, id)
	}
	outlives.Close()
}

// A BorrowedSession has what Session has, but for the setters and Close.
func TestBorrowedHasTheGetters(t *testing.T) {
	leakcheck.Test(t)
	want := methods((*ssl.Session)(nil))
	maps.DeleteFunc(want, func(name string, _ reflect.Method) bool {
		return strings.HasPrefix(name, "Set") || name == "Close" || name == "Same"
	})
	got := methods((*ssl.BorrowedSession)(nil))
	for name, m := range want {
		b, ok := got[name]
		if !ok {
			t.Errorf("BorrowedSession has no %s", name)
			continue
		}
		if !slices.Equal(signature(m), signature(b)) {
			t.Errorf("%s has the types %v, of Session %v", name, signature(b), signature(m))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("BorrowedSession has %s, which is no getter of Session", name)
		}
	}
}

func signature(m reflect.Method) []reflect.Type {
	var types []reflect.Type
	for i := 1; i < m.Type.NumIn(); i++ {
		types = append(types, m.Type.In(i))
	}
	for i := range m.Type.NumOut() {
		types = append(types, m.Type.Out(i))
	}
	return types
}

// setters are all of them but SetExData, which libssl does not look at.
func setters() []string {
	var names []string
	for name := range methods((*ssl.Session)(nil)) {
		if strings.HasPrefix(name, "Set") && name != "SetExData" {
			names = append(names, name)
		}
	}
	return names
}

// frozen fails t unless every setter refuses s and leaves it as it was.
func frozen(t *testing.T, how string, s *ssl.Session) {
	t.Helper()
	all := setters()
	if len(all) < 11 {
		t.Fatalf("only %d setters found: %v", len(all), all)
	}
	was := ssltest.Marshal(t, s)
	for _, name := range all {
		err, _ := call(t, s, name)[0].Interface().(error)
		ssltest.Refuses(t, how+": "+name, err, ssl.ErrSessionShared)
	}
	if string(ssltest.Marshal(t, s)) != string(was) {
		t.Errorf("%s: a setter that refused changed the session", how)
	}
	if err := s.SetExData(reflectIndex, how); err != nil ||
		ssltest.Get(t, func() (any, error) { return s.ExData(reflectIndex) }) != how {
		t.Errorf("%s: SetExData: %v", how, err)
	}
}

// thawed fails t unless s can be changed.
func thawed(t *testing.T, how string, s *ssl.Session) {
	t.Helper()
	if err := s.SetID([]byte("changed")); err != nil {
		t.Errorf("%s: %v", how, err)
	}
}

// Sessions that libssl has not announced: a TLS 1.3 client's before its tickets, a TLS 1.2
// server's that went into a ticket.
func TestUnannouncedSessionsAreFrozen(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		for _, get1 := range []bool{true, false} {
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			for name, c := range map[string]*ssl.Conn{"client": p.Client, "server": p.Server} {
				if get1 {
					frozen(t, name+", Conn.Session", ssltest.SessionOf(t, c))
					continue
				}
				err := c.WithSession(func(b *ssl.BorrowedSession) error {
					up := ssltest.Get(t, b.UpRef)
					defer up.Close()
					frozen(t, name+", WithSession", up)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			p.Echo(t)
			p.CloseBoth()
		}
	})
}

func TestSharedSessionsAreFrozen(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		c := ssltest.Dial(t, s, ctx, nil)
		defer c.Close()
		frozen(t, "OnNewSession", got.Last(t))
		one := ssltest.Get(t, c.Session)
		defer one.Close()
		frozen(t, "Conn.Session", one)
		var up *ssl.Session
		if err := c.WithSession(func(b *ssl.BorrowedSession) error {
			up = ssltest.Get(t,
				b.UpRef)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		defer up.Close()
		frozen(t, "WithSession", up)

		mine := ssltest.Get(t, one.Dup)
		defer mine.Close()
		thawed(t, "Dup of a shared session", mine)
		parsed, err := ssl.ParseSession(ssltest.Marshal(t, one))
		if err != nil {
			t.Fatal(err)
		}
		defer parsed.Close()
		second := ssltest.ClientConn(t, s, ctx)
		if err := second.SetSession(parsed); err != nil {
			t.Fatal(err)
		}
		thawed(t, "argument of SetSession", parsed)
		shared := ssltest.Get(t, one.Dup)
		defer shared.Close()
		if err := second.SetSharedSession(shared); err != nil {
			t.Fatal(err)
		}
		frozen(t, "SetSharedSession", shared)
		cached := ssltest.Get(t, one.Dup)
		defer cached.Close()
		if _, err := s.Ctx.AddSession(cached); err != nil {
			t.Fatal(err)
		}
		frozen(t, "AddSession", cached)
	})
}
