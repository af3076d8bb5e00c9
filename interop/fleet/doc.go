// Package fleet has the proof of docs/fleet.md, which `make fleet-proof` runs: real databases that break,
// three processes of sessl serve --fleet with HAProxy in front of them, and clients that come back. Each test
// adds a table to one Markdown file. A row that misses what it has to reach fails its test.
//
// The machines are the test binary of cmd/sessl, which is the program with two more abilities: its clock can
// be moved, and it ends with an error if it leaves anything behind in C memory.
package fleet
