package fleet

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
	"sessl/valkeystore"
)

// The forms of session that are compared.
const (
	inProcess  = "the process's cache"
	inDatabase = "vk.Cache()"
	ownKeys    = "NewTicketKeys"
	agreedKeys = "vk.TicketKeys()"
)

// costly names the variable with the form of a process that does nothing but handshakes: what sessl serve
// does besides would hide what a form costs. The next words of it are the database's URL and the seal keys.
const costly = "SESSL_PROOF_COST"

// serveCost is that process. For each line that it reads, it prints what processor time it has taken.
func serveCost(words []string) error {
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		return err
	}
	seal, err := ssl.LoadSealKeys(words[2])
	if err != nil {
		return err
	}
	defer seal.Close()
	cfg := &ssl.Config{Certificates: []ssl.Certificate{cert}, SessionIDContext: []byte("cost")}
	switch words[0] {
	case inProcess:
		cfg.SessionCache, err = ssl.NewServerSessionCache(nil)
	case ownKeys:
		cfg.TicketKeys, err = ssl.NewTicketKeys(nil)
	}
	if err != nil {
		return err
	}
	if words[0] == inDatabase || words[0] == agreedKeys {
		vk, err := valkeystore.Open(words[1], &valkeystore.Options{SealKeys: seal,
			// All others are looked up in the database, however busy the machine is.
			Cache: ssl.ServerCacheOptions{MaxSessions: 1, LookupTimeout: time.Second}})
		if err != nil {
			return err
		}
		defer vk.Close(context.Background())
		if words[0] == inDatabase {
			cfg.SessionCache = vk.Cache()
		} else {
			cfg.TicketKeys = vk.TicketKeys()
		}
		for vk.Stats().Schedule.State != valkeystore.ScheduleReady {
			pass(10 * time.Millisecond)
		}
	}
	ctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		return err
	}
	defer ctx.Close()
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerOne(c)
		}
	}()
	fmt.Println(l.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(int64(processorTime()))
	}
	return nil
}

// answerOne sends back one byte.
func answerOne(c io.ReadWriteCloser) {
	defer c.Close()
	b := make([]byte, 1)
	if _, err := io.ReadFull(c, b); err == nil {
		c.Write(b)
	}
}

// processorTime is what this process has taken.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A worker is a process of serveCost.
type worker struct {
	t    *testing.T
	addr string
	in   io.Writer
	out  *bufio.Reader
}

func startWorker(t *testing.T, form, url, seal string) *worker {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), costly+"="+strings.Join([]string{form, url, seal}, "\n"))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	w := &worker{t: t, in: in, out: bufio.NewReader(out)}
	w.addr = w.read()
	return w
}

func (w *worker) read() string {
	w.t.Helper()
	line, err := w.out.ReadString('\n')
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// took is the processor time that the process has taken.
func (w *worker) took() time.Duration {
	w.t.Helper()
	fmt.Fprintln(w.in)
	n, err := strconv.ParseInt(w.read(), 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return time.Duration(n)
}
