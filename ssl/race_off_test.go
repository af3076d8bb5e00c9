//go:build !race

package ssl_test

// raceEnabled: see race_on_test.go.
const raceEnabled = false
