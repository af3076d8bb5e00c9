package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Each cache resumes, TLS 1.2 by ids, and a cache of one session remembers only the last.
func TestServeSessionCaches(t *testing.T) {
	for _, kind := range []string{cacheLibssl, cacheMemory} {
		t.Run(kind, func(t *testing.T) {
			leakcheck.Test(t)
			s, addr := startServe(t, "--session-cache", kind, "--cache-size", "100", "--max-age", "1h")
			probeJSON(t, exitOK, addr, "-n", "1", "--tls", "1.2")
			probeJSON(t, exitOK, addr, "-n", "1", "--tls", "1.3")
			for i, want := range []string{" resumed=id ", " resumed=ticket "} {
				if line := s.await(i+1, " resumed="); !strings.Contains(line, want) {
					t.Errorf("resumption %d, want%s: %s", i, want, line)
				}
			}
		})
	}
}

// A ticket states no longer a lifetime than --max-age leaves.
func TestServeMaxAge(t *testing.T) {
	leakcheck.Test(t)
	_, addr := startServe(t, "--max-age", "90s")
	if rep := probeJSON(t, exitOK, addr, "-n", "1", "--tls", "1.3"); *rep.LifetimeSeconds > 90 ||
		*rep.LifetimeSeconds < 60 {
		t.Errorf("the ticket lives for %d s", *rep.LifetimeSeconds)
	}
}

// Early data of OpenSSL's client comes back, and the line of the handshake reports it. A server
// that does not want early data rejects it.
func TestServeEarlyData(t *testing.T) {
	for _, kind := range []string{cacheNone, cacheMemory} {
		t.Run(kind, func(t *testing.T) {
			leakcheck.Test(t)
			s, addr := startServe(t, "--early-data", "1000", "--session-cache", kind)
			dir := t.TempDir()
			session, question := filepath.Join(dir, "s.pem"), filepath.Join(dir, "q.txt")
			if err := os.WriteFile(question, []byte("early bird"), 0o600); err != nil {
				t.Fatal(err)
			}
			probeJSON(t, exitOK, addr, "-n", "1", "--tls", "1.3", "--session-out", session)
			c := finish(t, openssl(t, "s_client", "-connect", addr, "-servername", "localhost", "-sess_in", session,
				"-early_data", question, "-CAfile", ssltest.CertFile("ca.pem")))
			if !strings.Contains(c.out, "Early data was accepted") {
				t.Errorf("s_client:\n%s\n%s", c.out, c.errOut)
			}
			if line := s.await(1, " early="); !strings.Contains(line, " resumed=ticket early=accepted ") {
				t.Error(line)
			}
		})
	}
}

// The line of a handshake that fails says what became of its early data: a recording, which cannot end its
// handshake, is accepted once.
func TestServeEarlyDataThatFails(t *testing.T) {
	leakcheck.Test(t)
	s, addr := startServe(t, "--early-data", "1000", "--session-cache", cacheMemory)
	cctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	first, err := ssl.Dial("tcp", addr, cctx)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := first.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := ssltest.ReadUntil(first, "x"); err != nil { // the tickets come before it
		t.Fatal(err)
	}
	flight := ssltest.EarlyFlight(t, cctx, ssltest.SessionOf(t, first), "early bird")
	for i, want := range []string{" early=accepted failed: ", " early=rejected failed: "} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(flight); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if line := s.await(i+1, " failed: "); !strings.Contains(line, c.LocalAddr().String()+want) {
			t.Errorf("%d: %s", i, line)
		}
	}
}

// Flags that contradict each other or are out of range are wrong usage, and the error names
// them.
func TestServeSessionFlags(t *testing.T) {
	leakcheck.Test(t)
	for flags, says := range map[string]string{
		"--session-cache disk":                            "--session-cache disk",
		"--session-cache memory --ticket-keys x":          "--session-cache and --ticket-keys contradict",
		"--no-tickets --session-cache none":               "--no-tickets and --session-cache none contradict",
		"--cache-size 5":                                  "--cache-size",
		"--session-cache libssl --cache-size -1":          "--cache-size",
		"--session-cache libssl --cache-size 99999999999": "--cache-size 99999999999",
		"--session-cache memory --cache-size 3000000000":  "--cache-size 3000000000",
		"--max-age -1h":                                   "--max-age -1h",
		"--max-age 1ms":                                   "--max-age 1ms",
		"--max-age 100000h":                               "--max-age 100000h",
		"--early-data 99999999":                           "--early-data 99999999",
		"--session-id-context 0xABC":                      "--session-id-context \"0xABC\"",
		"--session-id-context 0x":                         "--session-id-context \"0x\"",
		"--session-id-context " + strings.Repeat("x", 33): "--session-id-context: it has 32 bytes at most",
		"--early-data 1 --tls 1.2":                        "--early-data and --tls 1.2 contradict",
	} {
		r := sessl(t, serverFlags(strings.Fields(flags)...)...).want(t, exitUsage)
		if !strings.Contains(r.errOut, says) {
			t.Errorf("%s: %s", flags, r.errOut)
		}
	}
}

// The limits here are within those of the library.
func TestServeSessionLimits(t *testing.T) {
	leakcheck.Test(t)
	for _, kind := range []string{cacheLibssl, cacheMemory} {
		startServe(t, "--session-cache", kind, "--cache-size", strconv.Itoa(maxCacheSize),
			"--max-age", maxAge.String(), "--early-data", strconv.Itoa(maxEarly))
	}
}

// Without tickets, sessions are in the cache that was asked for: TLS 1.2 resumes by ids.
func TestServeNoTicketsWithCache(t *testing.T) {
	leakcheck.Test(t)
	s, addr := startServe(t, "--no-tickets", "--session-cache", "memory", "--cache-size", "1")
	probeJSON(t, exitOK, addr, "-n", "1", "--tls", "1.2")
	if line := s.await(1, " resumed="); !strings.Contains(line, " resumed=id ") {
		t.Error(line)
	}
}
