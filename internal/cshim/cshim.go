// Package cshim holds all C code of sessl, and the few entry points that tests need.
//
// The headers are embedded so that editing one rebuilds every package that includes it:
// the build cache does not look at headers of other directories.
package cshim

/*
#cgo pkg-config: libssl libcrypto
#cgo CFLAGS: -std=gnu11
#cgo linux LDFLAGS: -pthread
#cgo noescape sessl_session_counts
#cgo nocallback sessl_session_counts
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "cache.h"
#include "certcomp.h"
#include "ctx.h"
#include "psk.h"
#include "session.h"
#include "signer.h"
#include "ticket.h"
*/
import "C"

import "embed"

//go:embed *.h
var _ embed.FS

func init() {
	C.sessl_init()
}

// SessionCounts returns how many SSL_SESSION objects have been created and freed in this
// process, by libssl itself included, as its ex_data callbacks saw them.
func SessionCounts() (created, freed uint64) {
	var c, f C.uint64_t
	C.sessl_session_counts(&c, &f)
	return uint64(c), uint64(f)
}

// TicketKeyCounts returns how many objects with a ticket key have been made in this process,
// and how many of those that were freed had been wiped, as seen in their memory.
func TicketKeyCounts() (made, wiped uint64) {
	var m, w C.uint64_t
	C.sessl_ticket_key_counts(&m, &w)
	return uint64(m), uint64(w)
}

// PSKCounts is TicketKeyCounts for external pre-shared keys.
func PSKCounts() (made, wiped uint64) {
	var m, w C.uint64_t
	C.sessl_psk_counts(&m, &w)
	return uint64(m), uint64(w)
}

// IDKeyCounts is TicketKeyCounts for sets of keys with which session ids are made.
func IDKeyCounts() (made, wiped uint64) {
	var m, w C.uint64_t
	C.sessl_id_key_counts(&m, &w)
	return uint64(m), uint64(w)
}

// SignerCounts returns how many EVP_PKEYs that stand for a crypto.Signer have been made and freed.
func SignerCounts() (made, freed uint64) {
	var m, f C.uint64_t
	C.sessl_signer_counts(&m, &f)
	return uint64(m), uint64(f)
}

// SigningThreads returns how many threads there are on which libssl can wait for a signature.
func SigningThreads() uint64 { return uint64(C.sessl_signing_threads()) }

// Compressions returns how often servers of this process have compressed a certificate.
func Compressions() uint64 { return uint64(C.sessl_compressions()) }

// PeekError returns ERR_peek_error of the calling thread: 0 for an empty queue.
func PeekError() uint64 {
	return uint64(C.sessl_err_peek())
}

// LeaveErrorBehind puts an error on the calling thread's queue, to test that tests see it.
func LeaveErrorBehind() {
	C.sessl_err_leave_one_behind()
}

// ClearErrors empties the calling thread's queue.
func ClearErrors() {
	C.ERR_clear_error()
}

// Version returns OpenSSL_version(OPENSSL_VERSION): the text of the library in use.
func Version() string {
	return C.GoString(C.OpenSSL_version(C.OPENSSL_VERSION))
}
