package dbtest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A process is a program that ends with the test.
type process struct {
	pid  int
	gone chan struct{} // closed when it has ended, and all that it has started
	end  func()
}

// program starts a program, says its process id, and ends it when standard input ends. That is so when
// the test's process is gone, however it ended. Descriptor 3 stays open in the program alone.
const program = `"$@" >"$LOG" 2>&1 & pid=$!; exec 3>&-; echo $pid; read -r _; kill -$SIGNAL $pid; wait`

// run starts a program that the signal ends. What it prints goes to the file log.
func run(t testing.TB, log, signal string, words ...string) *process {
	t.Helper()
	alive, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", append([]string{"-c", program, "sh"}, words...)...)
	cmd.Env = append(os.Environ(), "LOG="+log, "SIGNAL="+signal, "LC_ALL=C")
	cmd.ExtraFiles = []*os.File{end}
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	err = cmd.Start()
	end.Close()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{gone: make(chan struct{})}
	go func() {
		defer close(p.gone)
		io.Copy(io.Discard, alive)
		alive.Close()
	}()
	p.end = func() {
		stdin.Close()
		cmd.Wait()
		<-p.gone
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	if p.pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal("no process id: ", err)
	}
	return p
}

func (p *process) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(p.pid, sig); err != nil {
		t.Fatal(err)
	}
}
