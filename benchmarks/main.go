// Command benchmarks compares what connections cost: with package ssl, with libssl in C, with
// crypto/tls and with another binding. Each contender is a program of its own (directory
// contender), and the contenders take turns. The command prints tables, and writes all
// measurements as CSV and a plot as SVG.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	var p plan
	short := flag.Bool("short", false, "less of everything, in two minutes")
	suites := flag.String("suites", "", "also the OpenSSL of these Debian suites, by scripts/matrix")
	out := flag.String("out", "../build", "directory for bench-compare.csv and bench-compare.svg")
	only := flag.String("only", "", "a regular expression: only groups and cases that match")
	flag.IntVar(&p.rounds, "rounds", 7, "how often everything is measured")
	flag.DurationVar(&p.budget, "budget", 13*time.Minute, "no further round begins that would end later")
	flag.Parse()
	p.start = time.Now()
	if *short {
		p.rounds, p.budget = min(p.rounds, 3), min(p.budget, 105*time.Second)
	}
	match, err := regexp.Compile(*only)
	if err == nil {
		err = compare(&p, *short, strings.Fields(*suites), *out, match)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// compare builds, measures and reports. It is an error if a contender failed.
func compare(p *plan, short bool, suites []string, out string, match *regexp.Regexp) error {
	tmp, err := os.MkdirTemp("", "bench-compare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	var libs []*openssl
	var absent []string
	for _, suite := range append([]string{""}, suites...) {
		lib, err := build(suite, filepath.Join(tmp, "bin"+suite))
		switch {
		case err == nil:
			libs = append(libs, lib)
		case suite == "":
			return err
		default:
			absent = append(absent, fmt.Sprintf("%s not run: %v", suite, err))
		}
	}
	for i, lib := range libs {
		p.add(lib, groups(short), i > 0, match)
	}
	p.run()
	var text strings.Builder
	describe(&text, p, libs, absent)
	for _, g := range p.groups {
		g.tables(&text)
	}
	if _, err := os.Stdout.WriteString(text.String()); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for name, data := range map[string][]byte{"csv": asCSV(p), "svg": asSVG(p)} {
		if err := os.WriteFile(filepath.Join(out, "bench-compare."+name), data, 0o644); err != nil {
			return err
		}
	}
	if n := p.failed(); n > 0 {
		return fmt.Errorf("%d failed", n)
	}
	return nil
}
