package contender

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
)

// A plaintext library says of itself what it is told to.
type plaintext struct {
	state   State
	resumes bool
}

func (p *plaintext) Server(raw net.Conn) (net.Conn, error)           { return raw, nil }
func (p *plaintext) NewClient() (Client, error)                      { return p, nil }
func (p *plaintext) Dial(addr string, resume bool) (net.Conn, error) { return net.Dial("tcp", addr) }
func (p *plaintext) Resumed(net.Conn) (bool, error)                  { return p.resumes, nil }
func (p *plaintext) State(net.Conn) State                            { return p.state }

var good = State{tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, "X25519"}

func measureBoth(t *testing.T, o *Options, lib Library) (*Report, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{o: o, lib: lib, meter: newMeter(o.Clients*o.warm(), o.N), failed: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.accept(ln)
	}()
	defer func() {
		ln.Close()
		<-ended
	}()
	return clients(o, lib, ln.Addr().String(), s.failed)
}

func refused(t *testing.T, what string, o *Options, lib Library, text string) {
	t.Helper()
	if _, err := measureBoth(t, o, lib); err == nil || !strings.HasPrefix(err.Error(), text) {
		t.Errorf("%s: %v", what, err)
	}
}

// What is not what was to be measured is an error, never a figure.
func TestEachConnectionIsChecked(t *testing.T) {
	states := map[string]State{
		"version": {tls.VersionTLS12, good.Suite, good.Group},
		"suite":   {good.Version, tls.TLS_AES_256_GCM_SHA384, good.Group},
		"group":   {good.Version, good.Suite, "X25519MLKEM768"},
	}
	o := &Options{Role: "both", Version: tls.VersionTLS13, Form: Ticket, Clients: 2, N: 6}
	for what, st := range states {
		refused(t, "another "+what, o, &plaintext{st, true}, "not what was to be measured")
	}
	refused(t, "no resumption", o, &plaintext{good, false}, "0 of 6")
	full := *o
	full.Form = Full
	refused(t, "resumptions instead of full handshakes", &full, &plaintext{good, true}, "6 of 6")
	r, err := measureBoth(t, o, &plaintext{good, true})
	if err != nil || r.Count != 6 || r.Resumed != 6 || !(0 < r.P50 && r.P50 <= r.P90 && r.P90 <= r.P99) {
		t.Errorf("%+v, %v", r, err)
	}
}

// A server alone measures from the last unit that does not count to the last that does.
func TestMeterStartsAndStops(t *testing.T) {
	m := newMeter(2, 3)
	for i := range 5 {
		select {
		case <-m.over:
			t.Fatalf("over after %d of 5", i)
		default:
			m.tick(0)
		}
		if started := !m.begun.at.IsZero(); started != (i >= 1) {
			t.Errorf("after %d units, started is %t", i+1, started)
		}
	}
	select {
	case <-m.over:
	default:
		t.Fatal("not over after 5 of 5")
	}
	if r := m.report(3); r.Wall <= 0 || r.Count != 3 || r.Threads < 1 || r.RSS < 1 {
		t.Errorf("%+v", r)
	}
}
