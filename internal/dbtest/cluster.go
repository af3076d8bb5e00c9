package dbtest

import (
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// maxClusterPort leaves room for the port of the cluster's bus, which is 10000 higher.
const maxClusterPort = 55000

// StartCluster starts a cluster of three nodes without replicas, and returns when all know of all slots.
func StartCluster(t testing.TB) []*Server {
	t.Helper()
	return startCluster(t, 3, "0")
}

// StartClusterOfSix starts a cluster of three nodes with a replica each, which take over when these are gone.
func StartClusterOfSix(t testing.TB) []*Server {
	t.Helper()
	nodes := startCluster(t, 6, "1")
	for _, s := range nodes {
		s.Await("CLUSTER INFO", "cluster_known_nodes:6")
		if strings.HasPrefix(s.Do("ROLE"), "slave") {
			s.Await("INFO replication", "master_link_status:up")
		}
	}
	return nodes
}

func startCluster(t testing.TB, size int, replicas string) []*Server {
	t.Helper()
	var nodes []*Server
	args := []string{"--cluster", "create"}
	for len(nodes) < size {
		s := Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
			"--repl-diskless-sync-delay", "0")
		if _, port, _ := net.SplitHostPort(s.Addr); atoi(port) > maxClusterPort {
			s.Kill()
			continue
		}
		nodes, args = append(nodes, s), append(args, s.Addr)
	}
	args = append(args, "--cluster-replicas", replicas, "--cluster-yes")
	out, err := exec.Command(cli(), args...).CombinedOutput()
	if err != nil {
		t.Fatalf(cli()+": %v: %s", err, out)
	}
	for _, s := range nodes {
		for end := time.Now().Add(patience); !strings.Contains(s.Do("CLUSTER", "INFO"), "cluster_state:ok"); {
			if time.Now().After(end) {
				t.Fatal("the cluster does not come up: ", s.Do("CLUSTER", "INFO"))
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nodes
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// cli is the command line client that comes with the database.
func cli() string { return strings.TrimSuffix(Program(), "-server") + "-cli" }
