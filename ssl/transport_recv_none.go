//go:build !linux || !(amd64 || arm64)

package ssl

import "syscall"

const canReceive = false

// receive is not called: the step receives in C.
func receive(int, []byte) (int, syscall.Errno) { return 0, syscall.ENOSYS }
