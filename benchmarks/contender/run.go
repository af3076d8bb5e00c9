package contender

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strings"
)

// Main runs a contender, whose library open configures, and exits: with 3 if the library lacks
// what the options ask for, with 1 after any other error. table, if not nil, measures its cache.
func Main(open func(*Options) (Library, error), table func(*Options) (*Report, error)) {
	report, err := run(open, table)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(report)
	}
	if lacks := Unsupported(""); errors.As(err, &lacks) {
		fmt.Fprintln(os.Stderr, lacks)
		os.Exit(3)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Args[0]+" "+strings.Join(os.Args[1:], " ")+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(open func(*Options) (Library, error), table func(*Options) (*Report, error)) (*Report, error) {
	o, err := parse()
	if err != nil {
		return nil, err
	}
	if o.Form == Table {
		if table == nil {
			return nil, Unsupported("has no cache for a server")
		}
		return table(o)
	}
	if o.Version == 0 {
		open = bare
	}
	lib, err := open(o)
	if err != nil {
		return nil, err
	}
	if o.Role == "client" {
		return clients(o, lib, o.Addr, nil)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	if o.Form == Idle || o.Form == Stall {
		fmt.Println("listening", ln.Addr())
		return hold(o, lib, ln)
	}
	s := &server{o: o, lib: lib, meter: newMeter(o.Clients*o.warm(), o.N), failed: make(chan error, 1)}
	go s.accept(ln)
	if o.Role == "both" {
		return clients(o, lib, ln.Addr().String(), s.failed)
	}
	fmt.Println("listening", ln.Addr())
	select {
	case err := <-s.failed:
		return nil, err
	case <-s.meter.over:
		return s.meter.report(o.N), nil
	}
}

// Resident returns the resident bytes of the process, without memory that Go keeps for later.
func Resident() int {
	debug.FreeOSMemory()
	return statusOf("self", "VmRSS:") << 10
}
