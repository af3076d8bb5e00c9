package ssl_test

import (
	"bytes"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCopy moves 16 MiB with ReadFrom at one end and WriteTo at the other, and as
// much with loops over Write and Read of 32 KiB, as io.Copy has them. The two take turns,
// so that their ratio also holds on a busy machine. Both ends count.
func BenchmarkCopy(b *testing.B) {
	const size = 16 << 20
	p := ssltest.NewTCPPair(b, ssltest.ClientConfig(b), ssltest.ServerConfig(b))
	p.MustShake(b)
	p.Client.SetDeadline(time.Time{})
	p.Server.SetDeadline(time.Time{})
	var loop, large, ratio []float64 // ms/GB
	for b.Loop() {
		start := cpuTime(b)
		copyOnce(b, size, plainWriter{p.Client}, ssltest.OnlyReader{Reader: p.Server})
		middle := cpuTime(b)
		copyOnce(b, size, p.Client, p.Server)
		l, c := (middle-start).Seconds()*1e12/size, (cpuTime(b)-middle).Seconds()*1e12/size
		loop, large, ratio = append(loop, l), append(large, c), append(ratio, c/l)
	}
	b.ReportMetric(median(loop), "loop-ms/GB")
	b.ReportMetric(median(large), "copy-ms/GB")
	b.ReportMetric(median(ratio), "copy/loop")
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// copyOnce sends size bytes from a Reader without WriteTo, and ends when all have come.
func copyOnce(b *testing.B, size int64, w io.Writer, r io.Reader) {
	b.Helper()
	all := &countTo{left: size}
	sent := make(chan error)
	go func() {
		_, err := io.Copy(w, ssltest.OnlyReader{Reader: io.LimitReader(zeros{}, size)})
		sent <- err
	}()
	if _, err := io.Copy(all, r); err != io.ErrShortBuffer {
		b.Fatal(err)
	}
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
}

// plainWriter hides ReadFrom.
type plainWriter struct{ c *ssl.Conn }

func (w plainWriter) Write(p []byte) (int, error) { return w.c.Write(p) }

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p[:min(len(p), bytes.MinRead)]) // touched, but no work to speak of
	return len(p), nil
}

// countTo ends a copy once it has all bytes.
type countTo struct{ left int64 }

func (c *countTo) Write(p []byte) (int, error) {
	if c.left -= int64(len(p)); c.left <= 0 {
		return len(p), io.ErrShortBuffer
	}
	return len(p), nil
}
