package ssltest

// Victim is the end whose incoming bytes are harmed.
type Victim int

// The ends.
const (
	ClientEnd Victim = iota
	ServerEnd
)

// String names the end.
func (v Victim) String() string { return []string{"client", "server"}[v] }
