//go:build valgrind

package leakcheck

import "time"

// Under valgrind a round of the collector takes seconds.
func init() { Patience = 3 * time.Minute }
