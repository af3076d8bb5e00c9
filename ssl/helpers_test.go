package ssl_test

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// isNilOr fails t on an error that is not the one allowed.
func isNilOr(t testing.TB, err, allowed error) {
	t.Helper()
	if err != nil && !errors.Is(err, allowed) {
		t.Errorf("%v, want nil or %v", err, allowed)
	}
}

// countedConn counts what is written to it.
type countedConn struct {
	net.Conn
	writes atomic.Int32
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

func anyValue(m map[string][]byte) []byte {
	for _, v := range m {
		return v
	}
	return nil
}

// otherValue is what is there under another id.
func otherValue(m *ssltest.MemStore, id string) []byte {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	for k, v := range m.Sealed {
		if k != id {
			return v
		}
	}
	return nil
}
