//go:build race

package ssl_test

// raceEnabled: the race detector makes everything several times slower, so loops are
// shorter under it.
const raceEnabled = true
