package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"

	api "sessl/benchmarks/contender"
)

var collected = regexp.MustCompile(`Collected : (\d+)`)

// callgrind counts the instructions of a unit: those of a run with all units less those of a run
// with a third of them.
func callgrind(c *testCase, o *openssl, who *contender) (*api.Report, error) {
	if _, err := exec.LookPath("valgrind"); err != nil {
		return nil, errLacks("valgrind is not installed")
	}
	fewer := *c
	fewer.n = c.n / 3
	many, err := c.instructions(o, who)
	if err != nil {
		return nil, err
	}
	less, err := fewer.instructions(o, who)
	if err != nil {
		return nil, err
	}
	return &api.Report{Count: c.n - fewer.n,
		Instructions: float64(many-less) / float64(c.n-fewer.n)}, nil
}

func (c *testCase) instructions(o *openssl, who *contender) (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	cmd := c.command(ctx, o, who, "both", 0)
	args := []string{"--tool=callgrind", "--callgrind-out-file=/dev/null", "--fair-sched=yes"}
	args = append(args, cmd.Args[3:]...) // without taskset: valgrind runs one thread at a time
	counting := exec.CommandContext(ctx, "valgrind", args...)
	var said bytes.Buffer
	// As in scripts/valgrind: Go preempts by signal, on a stack that valgrind does not expect, and
	// valgrind announces RDTSCP even if the processor lacks it.
	counting.Env, counting.Stderr = append(cmd.Env, "GODEBUG=asyncpreemptoff=1,cpu.rdtscp=off"), &said
	if err := counting.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", who.name, err, lastLine(said.Bytes()))
	}
	m := collected.FindSubmatch(said.Bytes())
	if m == nil {
		return 0, fmt.Errorf("callgrind counted nothing: %s", lastLine(said.Bytes()))
	}
	return strconv.ParseInt(string(m[1]), 10, 64)
}
