// Package faultmem makes OpenSSL's allocations fail, one at a time, for tests. It replaces
// the allocation functions of libcrypto for the whole process (CRYPTO_set_mem_functions)
// in a constructor, before anything has been allocated; only tests may import it.
package faultmem

/*
#cgo pkg-config: libcrypto
#cgo CFLAGS: -std=gnu11
#cgo linux LDFLAGS: -pthread
#include "mem.h"
*/
import "C"

import (
	"runtime"
	"strings"
	"unsafe"
)

// Installed reports whether libcrypto has accepted the functions: CRYPTO_set_mem_functions
// returned 1. Otherwise no allocation fails, and a test proves nothing.
func Installed() bool { return C.faultmem_installed() == 1 }

// Mode says what happens after the allocation that fails.
type Mode int

// Either one allocation fails, or all from one on. The second is what a process without memory
// sees; the first reaches the code that goes on after a failure.
const (
	Once Mode = iota
	Lasting
)

// String names the mode in test output.
func (m Mode) String() string {
	if m == Lasting {
		return "lasting"
	}
	return "once"
}

// A Result is the outcome of one Run.
type Result struct {
	Failed bool // the k-th allocation was reached
	Made   int  // allocations asked for, failed ones included

	// Sites is filled by a run with k 0. It has the numbers of allocations that include each
	// place in C that allocates, with its first, second, fourth, eighth time and so on.
	Sites []int

	run C.ulong
}

// Run calls f with the goroutine locked to its thread. On that thread the k-th allocation of
// OpenSSL and cshim fails, counted from 1; with 0 all succeed. Other threads are not affected,
// nor are other goroutines for which f waits.
func Run(k int, mode Mode, f func()) Result {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var r Result
	r.run = C.faultmem_arm(C.long(k), C.int(mode))
	defer C.faultmem_disarm() // f may end the test
	f()
	C.faultmem_disarm()
	r.Failed = C.faultmem_failed() != 0
	r.Made = int(C.faultmem_made())
	if k == 0 {
		var ks [16384]C.long
		for _, k := range ks[:C.faultmem_sites(&ks[0], C.long(len(ks)))] {
			r.Sites = append(r.Sites, int(k))
		}
	}
	return r
}

// Aside calls f inside a Run. All its allocations succeed, and none is counted.
func Aside(f func() error) error {
	C.faultmem_pause(1)
	defer C.faultmem_pause(0)
	return f()
}

// Failed reports, inside a Run, whether the allocation has failed yet; outside a Run it returns
// false.
func Failed() bool { return C.faultmem_failing() != 0 }

// Left lists the blocks that the run allocated on its thread and that have not been freed
// since, as file:line(size). The list is empty if everything that f made is gone.
func (r Result) Left() []string {
	var where [4096]C.char
	n := C.faultmem_left(r.run, &where[0], C.size_t(unsafe.Sizeof(where)))
	list := strings.Fields(C.GoString(&where[0]))
	for len(list) < int(n) {
		list = append(list, "...")
	}
	return list
}

// Live returns how many bytes OpenSSL and cshim hold in the whole process.
func Live() int64 { return int64(C.faultmem_live()) }

// StopThread makes OpenSSL free its error queue and random generators of the calling thread
// (OPENSSL_thread_stop), so that the next call makes them anew.
func StopThread() { C.faultmem_stop_thread() }
