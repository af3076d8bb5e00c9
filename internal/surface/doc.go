// Package surface keeps docs/surface.md true: which of libssl's session symbols the Go API
// reaches, and by which names. It holds only a test; `go test ./internal/surface -update`
// writes the table anew.
package surface
