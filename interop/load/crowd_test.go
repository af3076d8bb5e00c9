package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

const (
	crowdAddr = "SESSL_LOAD_CROWD" // set for the process of the clients
	crowd     = 5000
	leavers   = 500 // further clients, whose context ends long before all could be served
	spare     = 20  // threads beside GOMAXPROCS
	patience  = 4 * time.Minute
)

// crowdReport is the report of the process of the clients.
type crowdReport struct {
	Served  int      // clients whose byte was echoed
	Left    int      // clients whose context ended first
	Errors  []string // of all other clients
	Threads int
}

// Five thousand clients that connect at once cause only a few threads, both in their own
// process and in the server's. Each client is served, except those whose context ends.
func TestCrowdMakesFewThreads(t *testing.T) {
	leakcheck.Test(t)
	ctx := serverCtx(t, ssl.VersionTLS13)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := serve(l, ctx)
	out, err := rerun(t, crowdAddr+"="+l.Addr().String())
	l.Close()
	served.Wait()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var r crowdReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	limit := runtime.GOMAXPROCS(0) + spare
	if n := threads(t); n > limit {
		t.Errorf("the server has made %d threads, more than %d", n, limit)
	}
	if r.Threads > limit {
		t.Errorf("the clients have made %d threads, more than %d", r.Threads, limit)
	}
	if len(r.Errors) > 0 || r.Served < crowd || r.Served+r.Left != crowd+leavers {
		t.Errorf("%d of %d were served, %d left; errors: %v", r.Served, crowd, r.Left, r.Errors)
	}
	if r.Left == 0 {
		t.Error("no client has left")
	}

	t.Logf("threads: server %d, clients %d; %d left early", threads(t), r.Threads, r.Left)
}

// serve echoes a byte to each client of l until l is closed.
func serve(l net.Listener, ctx *ssl.Ctx) *sync.WaitGroup {
	l = ssl.NewListener(l, ctx)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				var b [1]byte
				if _, err := io.ReadFull(c, b[:]); err == nil {
					c.Write(b[:])
					io.ReadFull(c, b[:]) // until the client ends
				}
			})
		}
	})
	return &all
}

// crowdRun runs the clients of a server in their process.
type crowdRun string

// Run prints a crowdReport.
func (addr crowdRun) Run() int {
	ctx, err := ssl.NewClientCtx(clientConfig(ssl.VersionTLS13))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var r crowdReport
	var mu sync.Mutex
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range crowd + leavers {
		all.Go(func() {
			<-start
			wait := patience
			if i%((crowd+leavers)/leavers) == 0 {
				wait = 100 * time.Millisecond
			}
			life, cancel := context.WithTimeout(context.Background(), wait)
			defer cancel()
			err := visit(life, string(addr), ctx)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				r.Served++
			case wait < patience && (errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err)):
				r.Left++
			default:
				r.Errors = append(r.Errors, err.Error())
			}
		})
	}
	close(start)
	all.Wait()

	ctx.Close()
	r.Threads = len(leakcheck.Threads())
	r.Errors = r.Errors[:min(len(r.Errors), 5)]
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return 1
	}
	return 0
}

// visit is one client: a handshake, and a byte there and back.
func visit(life context.Context, addr string, ctx *ssl.Ctx) error {
	c, err := (&ssl.Dialer{Ctx: ctx}).DialContext(life, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	end, _ := life.Deadline()
	c.SetDeadline(end)
	b := [1]byte{'x'}
	if _, err := c.Write(b[:]); err != nil {
		return err
	}
	_, err = io.ReadFull(c, b[:])
	return err
}
