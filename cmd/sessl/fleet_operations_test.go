package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// The operations of docs/fleet.md, as they stand there: a session of the first machine resumes on each later
// one, whatever has become of the seal keys and the database meanwhile, until all is revoked.
func TestFleetOperations(t *testing.T) {
	leakcheck.Test(t)
	text, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)### Operations\n\n```\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("docs/fleet.md has no commands for operations")
	}
	db, dir := dbtest.Start(t), t.TempDir()
	as := strings.NewReplacer("valkeys://fleet@db1", "valkey://"+db.Addr, "seal.key",
		filepath.Join(dir, "seal.key"), "next.key", filepath.Join(dir, "next.key"))
	common := []string{"--rotate-every", "2s", "--keep-for", "1m"}
	session := filepath.Join(dir, "session.pem")
	var all []*background
	addr, ran := "", map[string]int{}
	for line := range strings.Lines(string(block[1])) {
		line, _, _ = strings.Cut(line, "#")
		args := strings.Fields(as.Replace(line))[1:]
		what := args[0]
		if what == "fleet" {
			what = args[1]
		}
		ran[what]++
		switch what {
		case "serve":
			var b *background
			b, addr = startServe(t, append(args[1:], common...)...)
			b.await(1, `fleet="ticket keys" state=ready`)
			if all == nil {
				probeJSON(t, exitOK, addr, "-n", "1", "--session-out", session)
			} else {
				wantResumed(t, line, addr, session, true)
			}
			if ran[what] > 2 { // the machines are replaced, one after the other
				for _, b := range all {
					b.end(syscall.SIGTERM)
				}
				all = nil
			}
			all = append(all, b)
		case "status":
			db.Restart() // empty
			for sessl(t, args...).code != exitOK {
			}
			wantResumed(t, "with a database that was lost", addr, session, true)
		case "revoke-all":
			sessl(t, append(args, common...)...).want(t, exitOK)
			all[0].await(1, "era=1") // a time of many digits
			wantResumed(t, line, addr, session, false)
		default:
			sessl(t, args...).want(t, exitOK)
		}
	}
	if ran["seal-key"] < 2 || ran["serve"] < 4 || ran["status"] < 1 || ran["revoke-all"] != 1 {
		t.Errorf("there is not all: %v", ran)
	}
}

// wantResumed offers a session that was made by the first machine.
func wantResumed(t *testing.T, what, addr, session string, want bool) {
	t.Helper()
	r := sessl(t, "probe", addr, "--ca", ssltest.CertFile("ca.pem"), "--json", "-n", "1", "--session-in",
		session)
	var rep report
	if err := json.Unmarshal([]byte(r.out), &rep); err != nil {
		t.Fatalf("%v in %s%s", err, r.out, r.errOut)
	}
	if rep.SessionIn == nil || rep.SessionIn.Resumed != want {
		t.Errorf("%s: %s", what, r.out)
	}
}
