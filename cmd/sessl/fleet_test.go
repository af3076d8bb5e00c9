package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

func newSealKeyFile(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "seal.key")
	if out := sessl(t, "seal-key", file).want(t, exitOK).out; out != "" {
		t.Errorf("seal-key prints %q", out)
	}
	return file
}

// startMember starts a server of a fleet and waits until it issues tickets.
func startMember(t *testing.T, url, seal string, more ...string) (*background, string) {
	t.Helper()
	args := []string{"--fleet", url, "--seal-key", seal, "--rotate-every", "4s"}
	b, addr := startServe(t, append(args, more...)...)
	b.await(1, `fleet="ticket keys" state=ready`)
	return b, addr
}

// An id that is resumed on another machine is reported as id: the database has it. What all servers resume
// is what --share says.
func TestServeFleet(t *testing.T) {
	db := dbtest.Start(t)
	for _, c := range []struct{ share, how12 string }{
		{shareKeys, howTicket}, {shareSessions, howID}, {shareBoth, howTicket},
	} {
		t.Run(c.share, func(t *testing.T) {
			leakcheck.Test(t)
			seal, url := newSealKeyFile(t), "valkey://"+db.Addr+"/"+c.share
			a, addrA := startMember(t, url, seal, "--share", c.share)
			b, addrB := startMember(t, url, seal, "--share", c.share)
			for i, version := range tlsVersions {
				session := filepath.Join(t.TempDir(), "session.pem")
				probeJSON(t, exitOK, addrA, "-n", "1", "--tls", version, "--session-out", session)
				rep := probeJSON(t, exitOK, addrB, "-n", "1", "--tls", version, "--session-in", session)
				if !rep.SessionIn.Resumed {
					t.Errorf("TLS %s: %+v", version, rep)
				}
				how := " resumed=" + howTicket + " "
				if version == "1.2" {
					how = " resumed=" + c.how12 + " "
				}
				if line := b.await(i+1, " resumed="); !strings.Contains(line, how) {
					t.Errorf("TLS %s: no%sin %s", version, how, line)
				}
			}
			for _, s := range []*background{a, b} {
				if code, last := s.end(syscall.SIGTERM); code != exitOK || !strings.HasPrefix(last, "ended after ") {
					t.Errorf("exit status %d: %s", code, last)
				}
			}
		})
	}
}

// A server begins and serves while there is no database, and issues tickets when there is one.
func TestServeFleetBeforeItsDatabase(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	db.Kill()
	s, addr := startServe(t, "--fleet", "valkey://"+db.Addr+"/shop", "--seal-key", newSealKeyFile(t),
		"--rotate-every", "4s")
	if rep := probeJSON(t, exitNoReuse, addr, "-n", "1"); rep.Resumed != 0 {
		t.Errorf("%+v", rep)
	}
	db.Restart()
	s.await(1, `fleet="ticket keys" state=ready`)
	probeJSON(t, exitOK, addr, "-n", "1")
	if code, _ := s.end(os.Interrupt); code != exitOK {
		t.Errorf("exit status %d", code)
	}
}

// SIGHUP reads the seal keys again. Then the server seals with the new one, and others that have only that
// one see the schedule.
func TestServeFleetSealKeys(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	url := "valkey://" + db.Addr + "/shop"
	first, second := newSealKeyFile(t), newSealKeyFile(t)
	spare := newSealKeyFile(t)
	s, _ := startMember(t, url, first, "--seal-key", spare)
	status := func(seal string, code int) string {
		t.Helper()
		r := sessl(t, "fleet", "status", url, "--seal-key", seal)
		if r.code != code {
			t.Errorf("exit status %d, want %d: %s%s", r.code, code, r.out, r.errOut)
		}
		return r.errOut
	}
	status(first, exitOK)
	if said := status(second, exitError); !strings.Contains(said, "the database is refused") {
		t.Error(said)
	}
	copyFile(t, spare, first) // the old key stays
	copyFile(t, first, second)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.await(1, "seal keys read again, current ")
	for r := (result{code: exitError}); r.code != exitOK; { // until the next key is appended
		r = sessl(t, "fleet", "status", url, "--seal-key", second)
	}
	if err := os.WriteFile(first, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.await(1, "seal keys stay as they are: ")
	s.end(os.Interrupt)
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The status of a fleet, for people and for programs: no secret, and the names that tickets begin with.
func TestFleetStatus(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	seal, url := newSealKeyFile(t), "valkey://"+db.Addr+"/shop"
	args := []string{"fleet", "status", url, "--seal-key", seal}
	r := sessl(t, args...)
	if r.code != exitError || !strings.Contains(r.out, "ticket keys  none\n") ||
		!strings.Contains(r.errOut, "the database has lost it") {
		t.Errorf("before the first server: %+v", r)
	}
	_, addr := startMember(t, url, seal)
	session := filepath.Join(t.TempDir(), "session.pem")
	probeJSON(t, exitOK, addr, "-n", "1", "--tls", "1.3", "--session-out", session)
	out := sessl(t, args...).want(t, exitOK).out
	for _, text := range []string{"latency ", "\npolicy      noeviction\n", "\ngeneration  ",
		"\nera ", "\ncurrent ", " encrypts since ", "\nnext ", "\nfuture ", " encrypts in "} {
		if !strings.Contains("\n"+out, text) {
			t.Errorf("no %q in\n%s", text, out)
		}
	}
	var rep fleetReport
	if err := json.Unmarshal([]byte(sessl(t, append(args, "--json")...).want(t, exitOK).out), &rep); err != nil {
		t.Fatal(err)
	}
	if rep.Generation == 0 || rep.Policy != "noeviction" || rep.LatencyMS <= 0 ||
		rep.Refused != "" || rep.Error != "" || rep.Time == nil {
		t.Errorf("%+v", rep)
	}
	shown := sessl(t, "inspect", session).want(t, exitOK).out
	begins := ""
	for _, k := range rep.Keys {
		if k.AgeSeconds < 0 || k.From == nil || len(k.Name) != 32 {
			t.Errorf("%+v", k)
		}
		begins += dumped(k.Name) + "\n"
		if strings.Contains(shown, dumped(k.Name)) {
			return
		}
	}
	t.Errorf("none of\n%sis at the front of the ticket in\n%s", begins, shown)
}

// Whatever is wrong with the database, --json prints one object, which says it.
func TestFleetStatusErrorJSON(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	db.Do("LPUSH", "shop:t:{t}schedule", "a")
	for url, says := range map[string]string{
		"valkey://" + db.Addr + "/shop":  "WRONGTYPE",
		"valkey://127.0.0.1:1/shop":      "refused",
		"valkeys://" + db.Addr + "/shop": "deadline exceeded",
	} {
		r := sessl(t, "fleet", "status", url, "--seal-key", newSealKeyFile(t), "--timeout", "1s", "--json")
		var rep fleetReport
		if err := json.Unmarshal([]byte(r.out), &rep); err != nil || r.code != exitError ||
			!strings.Contains(rep.Error, says) || !strings.Contains(r.errOut, says) || rep.Keys == nil {
			t.Errorf("%s: %v: %+v", url, err, r)
		}
	}
}

// What a database says reaches a terminal as text.
func TestFleetHostileText(t *testing.T) {
	leakcheck.Test(t)
	addr := dbtest.Fake(t, func([]string) string { return "-ERR \x1b[2J\u202e\a\r\n" })
	r := sessl(t, "fleet", "status", "valkey://"+addr+"/shop", "--seal-key", newSealKeyFile(t),
		"--timeout", "1s")
	if r.code != exitError || !strings.Contains(r.errOut, `\x1b[2J\u202e\a`) {
		t.Errorf("%+v", r)
	}
}

// Where the database has no schedule, nothing is said to be void, and nothing is written.
func TestFleetRevokeNothing(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	r := sessl(t, "fleet", "revoke-all", "valkey://"+db.Addr+"/nonesuch", "--seal-key", newSealKeyFile(t))
	if r.code != exitError || r.out != "" || !strings.Contains(r.errOut, "another namespace") {
		t.Errorf("%+v", r)
	}
	if keys := db.Keys("nonesuch:"); len(keys) > 0 {
		t.Errorf("it has written %q", keys)
	}
}

// dumped is the name of a key as OpenSSL prints the first line of a ticket.
func dumped(name string) string {
	var b bytes.Buffer
	b.WriteString("0000 - ")
	for i := 0; i < len(name); i += 2 {
		b.WriteString(name[i : i+2])
		b.WriteByte(" -"[boolInt(i == 14)])
	}
	return strings.TrimSuffix(b.String(), " ")
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A seal key is 32 random bytes for its owner alone, and is not overwritten by accident.
func TestSealKey(t *testing.T) {
	leakcheck.Test(t)
	file := newSealKeyFile(t)
	key := readKey(t, file)
	if len(key) != 32 {
		t.Errorf("%d bytes", len(key))
	}
	r := sessl(t, "seal-key", file).want(t, exitError)
	if !strings.Contains(r.errOut, file+" is there already") || !bytes.Equal(readKey(t, file), key) {
		t.Errorf("%+v", r)
	}
	sessl(t, "seal-key", "--overwrite", file).want(t, exitOK)
	if other := readKey(t, file); len(other) != 32 || bytes.Equal(other, key) {
		t.Error("--overwrite leaves the key as it was")
	}
	wantNoTemp(t, filepath.Dir(file), 1)
}

func TestFleetErrors(t *testing.T) {
	leakcheck.Test(t)
	seal := newSealKeyFile(t)
	missing := filepath.Join(t.TempDir(), "missing")
	const url = "valkey://127.0.0.1:1/shop"
	serve := func(more ...string) []string {
		return serverFlags(append([]string{"--fleet", url, "--seal-key", seal}, more...)...)
	}
	status := func(more ...string) []string {
		return append([]string{"fleet", "status", url, "--seal-key", seal, "--timeout", "200ms"}, more...)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"fleet"}, exitUsage, "status or revoke-all is missing"},
		{[]string{"fleet", "status", "--seal-key", seal}, exitUsage, "URL is missing"},
		{[]string{"fleet", "status", url}, exitUsage, "seal-key"},
		{[]string{"fleet", "status", "http://h/n", "--seal-key", seal}, exitUsage, "unknown scheme in the URL"},
		{[]string{"fleet", "status", "valkey://secret:word@h", "--seal-key", seal}, exitUsage, "no namespace"},
		{status("--timeout", "0"), exitUsage, "--timeout"},
		{status(), exitError, "not connected to the database yet"},
		{status("--password", missing), exitError, missing + ": no such file"},
		{status("--password", os.DevNull), exitError, "no password in it"},
		{status("--ca", ssltest.CertFile("ca.pem")), exitUsage, "the file of roots is for TLS"},
		{[]string{"seal-key"}, exitUsage, "FILE is missing"},
		{[]string{"seal-key", filepath.Join(missing, "k")}, exitError, "no such file"},
		{serverFlags("--fleet", url), exitUsage, "--fleet needs --seal-key"},
		{serverFlags("--seal-key", seal), exitUsage, "--seal-key needs --fleet"},
		{serverFlags("--share", "both"), exitUsage, "--share needs --fleet"},
		{serverFlags("--fleet", url, "--seal-key", missing), exitError, missing + ": no such file"},
		{serverFlags("--fleet", "redis://h/a{b", "--seal-key", seal), exitUsage, "the namespace has '{'"},
		{serve("--share", "all"), exitUsage, "--share all"},
		{serve("--ticket-keys", "x"), exitUsage, "--fleet and --ticket-keys contradict"},
		{serve("--session-cache", "memory"), exitUsage, "--fleet and --session-cache contradict"},
		{serve("--no-tickets"), exitUsage, "--fleet and --no-tickets contradict"},
		{serve("--cache-size", "5"), exitUsage, "--cache-size needs --share"},
		{serve("--rotate-every", "1ms"), exitUsage, "--rotate-every is 1ms, it must be from 1s"},
		{serve("--keep-for", "1000h"), exitUsage, "--keep-for is 1000h0m0s"},
	} {
		r := sessl(t, c.args...)
		if r.code != c.code || !strings.Contains(r.errOut, c.says) || strings.Count(r.errOut, "\n") != 1 ||
			r.out != "" || strings.Contains(r.errOut, "word") && !strings.Contains(r.errOut, "password") {
			t.Errorf("%v: status %d, want %d and %q\n%s%s", c.args, r.code, c.code, c.says, r.out, r.errOut)
		}
	}
}

// Early data is accepted by any server once the database has had the claims for a minute, and until then not.
func TestServeFleetEarlyData(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	seal, url := newSealKeyFile(t), "valkey://"+db.Addr+"/shop"
	s, addr := startMember(t, url, seal, "--early-data", "1000")
	rep := probeJSON(t, exitNoReuse, addr, "-n", "1", "--tls", "1.3", "--early-data")
	if rep.EarlyData.Rejected != 1 || rep.Resumed != 1 {
		t.Errorf("%+v %+v", rep, rep.EarlyData)
	}
	s.await(1, `fleet="early data" state="rejected for a minute`)
	s.await(1, " early=rejected ")
	s.end(os.Interrupt)
}
