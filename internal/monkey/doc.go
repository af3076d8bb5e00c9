// Package monkey has a test without a script. Servers and clients of every kind talk over TCP
// and net.Pipe, two goroutines for each connection make random calls with short deadlines,
// records are cut and changed on their way, and peers lie after encryption. The test demands
// that nothing crashes, races or hangs, that no connection makes an unverified claim, and that
// all handles and goroutines are gone at the end. There is no code to import.
package monkey
