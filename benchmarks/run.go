package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	api "sessl/benchmarks/contender"
)

const tooLong = 2 * time.Minute

// errLacks is the error of a contender that has no such form, with its reason.
type errLacks string

func (e errLacks) Error() string { return string(e) }

// measure runs one contender once.
func (c *testCase) measure(o *openssl, who *contender) (*api.Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	if !c.alone {
		var out bytes.Buffer
		cmd := c.command(ctx, o, who, "both", 0)
		cmd.Stdout = &out
		return parse(out.Bytes, cmd.Run, cmd)
	}
	server := c.command(ctx, o, who, "server", 0)
	lines, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	in := bufio.NewReader(lines)
	first, _ := in.ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(first), "listening ")
	if !ok {
		_, err := parse(func() []byte { return []byte(first) }, server.Wait, server)
		return nil, err
	}
	client := c.command(ctx, o, o.find(plainC), "client", 1, "-addr", addr)
	var seen bytes.Buffer
	client.Stdout = &seen
	input, err := client.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := client.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() {
		err := client.Wait()
		if err != nil {
			cancel() // the server would wait for it
		}
		ended <- err
	}()
	var last []byte
	r, err := parse(func() []byte { return last }, func() error {
		last, _ = in.ReadBytes('\n')
		return server.Wait()
	}, server)
	input.Close() // clients that hold connections end now
	if failed := <-ended; failed != nil {
		_, failed = parse(nil, func() error { return failed }, client)
		return nil, errors.Join(failed, err)
	}
	if err != nil || !c.latency() {
		return r, err
	}
	theirs, err := parse(seen.Bytes, func() error { return nil }, client)
	if err != nil {
		return nil, err
	}
	r.P50, r.P90, r.P99, r.Resumed = theirs.P50, theirs.P90, theirs.P99, theirs.Resumed
	return r, nil
}

// command is a contender, perhaps on one processor: the first of those that this process may
// use, or another one for a client in a process of its own.
func (c *testCase) command(
	ctx context.Context, o *openssl, who *contender, role string, at int, more ...string,
) *exec.Cmd {
	args := append([]string{who.path, "-role", role}, who.args...)
	args = append(append(args, c.args()...), more...)
	env := append(append([]string{}, o.env...), who.env...)
	if c.pinned {
		args = append([]string{"taskset", "-c", strconv.Itoa(processor(at))}, args...)
		env = append(env, "GOMAXPROCS=1")
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stderr = env, &bytes.Buffer{}
	return cmd
}

// processor returns the i-th processor that this process may use, or the last.
func processor(i int) int {
	status, _ := os.ReadFile("/proc/self/status")
	_, list, _ := strings.Cut(string(status), "Cpus_allowed_list:")
	list, _, _ = strings.Cut(list, "\n")
	last := 0
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		low, high, isRange := strings.Cut(part, "-")
		from, _ := strconv.Atoi(low)
		to := from
		if isRange {
			to, _ = strconv.Atoi(high)
		}
		if i <= to-from {
			return from + i
		}
		i -= to - from + 1
		last = to
	}
	return last
}

func parse(out func() []byte, end func() error, cmd *exec.Cmd) (*api.Report, error) {
	err := end()
	said := strings.TrimSpace(cmd.Stderr.(*bytes.Buffer).String())
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 3 {
		return nil, errLacks(said)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, said)
	}
	r := new(api.Report)
	if err := json.Unmarshal(out(), r); err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return r, nil
}
