// Package monkey has a test that knows nothing: servers and clients of every kind over TCP and
// net.Pipe, two goroutines a connection that make random calls with short deadlines, records that
// are cut and changed on their way, and peers that lie after encryption. What it wants is that
// nothing crashes, races or hangs, that no connection claims what was not verified, and that all
// handles and goroutines are gone at the end. There is no code to import.
package monkey
