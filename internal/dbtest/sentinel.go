package dbtest

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

// StartSentinel starts a Sentinel, alone in deciding, that watches a database under that name and has a
// replica take over half a second after the database is gone.
func StartSentinel(t testing.TB, name string, master *Server) *Server {
	t.Helper()
	host, masterPort, _ := net.SplitHostPort(master.Addr)
	return start(t, func(port, dir string) []string {
		conf := filepath.Join(dir, "sentinel.conf") // which the Sentinel writes to
		write(t, conf, fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 1\n"+
			"sentinel down-after-milliseconds %s 500\nsentinel failover-timeout %s 5000\n",
			port, dir, name, host, masterPort, name, name))
		return []string{Program(), conf, "--sentinel"}
	})
}

// StartReplica starts a replica of a database, and returns when it has all that this has.
func StartReplica(t testing.TB, master *Server) *Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Addr)
	s := Start(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	s.Await("INFO replication", "master_link_status:up")
	return s
}
