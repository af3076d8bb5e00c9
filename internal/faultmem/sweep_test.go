package faultmem_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"sessl/internal/cshim"
	"sessl/internal/faultmem"
	"sessl/ssl"
)

var modes = []faultmem.Mode{faultmem.Once, faultmem.Lasting}

// tally counts the outcomes of the failures of one operation.
type tally struct{ survived, failed int }

// report has one tally for each operation, in the order of their first failures.
type report struct {
	names   []string
	tallies map[string]*tally
}

func (r *report) add(name string, err error) {
	if r.tallies == nil {
		r.tallies = map[string]*tally{}
	}
	t := r.tallies[name]
	if t == nil {
		t = &tally{}
		r.tallies[name] = t
		r.names = append(r.names, name)
	}
	if err == nil {
		t.survived++
	} else {
		t.failed++
	}
}

func (r *report) log(t *testing.T) {
	for _, name := range r.names {
		n := r.tallies[name]
		t.Logf("%-28s %5d failures: %5d gave an error, %5d were survived",
			name, n.failed+n.survived, n.failed, n.survived)
	}
}

// flow does one or more operations. It returns the first error, and, if there was none, what is
// wrong with the result.
type flow func(op func(name string)) (err, wrong error)

// every sweeps over each allocation of f, until f makes fewer allocations than that, in both
// modes.
func every(t *testing.T, f flow) {
	t.Helper()
	sweep(t, f, func(r *report) {
		for _, mode := range modes {
			for k := 1; !t.Failed() && attempt(t, r, k, mode, f); k++ {
			}
		}
	})
}

// perSite sweeps over the places that allocate: for each place its first, second, fourth time
// and so on. A handshake allocates thousands of times, mostly in the same places.
func perSite(t *testing.T, f flow) {
	t.Helper()
	if *full {
		every(t, f)
		return
	}
	sweep(t, f, func(r *report) {
		ks := faultmem.Run(0, faultmem.Once, func() { f(quiet) }).Sites
		for _, mode := range modes {
			for i := 0; i < len(ks) && !t.Failed(); i += stride {
				attempt(t, r, ks[i], mode, f)
			}
		}
	})
}

var full = flag.Bool("full", false, "in handshakes too, let every allocation fail")

func sweep(t *testing.T, f flow, all func(*report)) {
	t.Helper()
	runtime.LockOSThread() // the error queue and the random generators belong to the thread
	defer runtime.UnlockOSThread()
	var r report
	defer r.log(t)
	warmUp(t)
	for range 2 { // fills the caches that stay
		if err, wrong := f(quiet); err != nil || wrong != nil {
			t.Fatalf("with all memory: %v, %v", err, wrong)
		}
	}
	all(&r)
}

var warm sync.Once

// warmUp makes libcrypto initialize itself with all memory, whichever test runs first.
// libcrypto initializes each part once in a process, and a part that failed stays broken.
func warmUp(t *testing.T) {
	warm.Do(func() {
		for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
			newLink(t, v, setup{mutual: true}).session(t).Close()
		}
	})
}

// attempt does one run of a sweep, and reports whether an allocation failed.
func attempt(t *testing.T, r *report, k int, mode faultmem.Mode, f flow) bool {
	t.Helper()
	var err, wrong error
	name, hit := "", ""
	res := faultmem.Run(k, mode, func() {
		err, wrong = f(func(next string) {
			if hit == "" && faultmem.Failed() {
				hit = name
			}
			name = next
		})
	})
	if hit == "" {
		hit = name
	}
	at := fmt.Sprintf("%s: allocation %d (%s)", hit, k, mode)
	switch {
	case wrong != nil:
		t.Errorf("%s: %v, with error %v", at, wrong, err)
	case err != nil && !res.Failed:
		t.Errorf("%s: nothing failed, but: %v", at, err)
	case err != nil:
		if bad := judge(hit, err); bad != "" {
			t.Errorf("%s: %s: %#v", at, bad, err)
		}
	}
	if code := cshim.PeekError(); code != 0 {
		t.Errorf("%s: error %#x was left in the queue", at, code)
		cshim.ClearErrors()
	}
	drain(t)
	// Caches of the whole process fill once; a leak leaks each time. leaked has ended the
	// random generators of the thread. New ones are made here with all memory, because OpenSSL
	// 1.1.1 leaks when it cannot make them.
	left := leaked(res)
	for again := 0; again < 3 && len(left) > 0; again++ {
		f(quiet)
		drain(t)
		res := faultmem.Run(k, mode, func() { f(quiet) })
		cshim.ClearErrors()
		drain(t)
		left = leaked(res)
	}
	if len(left) > 0 {
		t.Errorf("%s: %d blocks leaked: %s", at, len(left), strings.Join(left, " "))
	}
	if res.Failed {
		r.add(hit, err)
	}
	return res.Failed
}

// misleading are causes that tell the caller to change something, which is wrong if memory ran
// out.
var misleading = []error{
	ssl.ErrClosed, ssl.ErrNil, ssl.ErrBorrowExpired, ssl.ErrNoSession, ssl.ErrNotResumable,
	ssl.ErrNotSerializable, ssl.ErrSessionShared, ssl.ErrSessionCtx, ssl.ErrTooLarge, ssl.ErrRange,
	ssl.ErrTrailingData, ssl.ErrMalformed, ssl.ErrUnsupported, ssl.ErrUnverified, ssl.ErrConfig, ssl.ErrPassword,
}

// judge returns what is wrong with the error of an operation.
func judge(op string, err error) string {
	var e *ssl.Error
	switch {
	case op == "Conn.Handshake" && err == io.ErrClosedPipe:
		return "" // the peer got too few bytes, and was gone before our alert
	case !errors.As(err, &e):
		return "the error has another type than *ssl.Error"
	case e.Op == "" || strings.HasSuffix(err.Error(), ": "):
		return "the error says too little"
	}
	if cannotTell(op, err, e) {
		return ""
	}
	if i := slices.IndexFunc(misleading, func(m error) bool { return errors.Is(err, m) }); i >= 0 {
		return fmt.Sprintf("the error is %q", misleading[i])
	}
	return ""
}

// cannotTell reports whether OpenSSL itself reports a lack of memory as another error here.
func cannotTell(op string, err error, e *ssl.Error) bool {
	malformed := errors.Is(err, ssl.ErrMalformed)
	if errors.Is(err, ssl.ErrConfig) && len(e.Entries) > 0 {
		// In OpenSSL 3 a certificate whose key could not be decoded looks like one with a key
		// of unknown type.
		return true
	}
	switch op {
	case "ParseSession", "ParseSessionPEM":
		// d2i_SSL_SESSION queues no error when it cannot copy a string, and none for an unknown
		// cipher.
		return e.Err == ssl.ErrMalformed
	case "ParseCRLs", "Certificate.SetOCSPStaple":
		return malformed // "nested asn1 error" in either case
	case "X509KeyPair":
		return malformed // PEM_read_bio_ex queues nothing in either case
	case "X509KeyPairWithPassword":
		// With a wrong password, too, the key may simply not decode.
		return malformed || errors.Is(err, ssl.ErrPassword) && len(e.Entries) > 0
	case "NewClientCtx", "NewServerCtx":
		// Revocation lists as above. From 3.5 on SSL_CTX_new also leaves out signature schemes
		// that it could not fetch.
		return (malformed || errors.Is(err, ssl.ErrUnsupported)) && len(e.Entries) > 0
	case "Conn.Handshake":
		return e.Err == ssl.ErrUnverified // the certificate could not be read, so it was not trusted
	}
	return false
}

// drain lets the table of Go values catch up: it holds C memory until the next handle is made.
func drain(t *testing.T) {
	s, err := ssl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// queryCache is the place where OpenSSL 3 remembers which implementation serves a query. Any
// call may replace an entry there by an equal one.
const queryCache = "crypto/property/property.c"

// leaked returns the blocks of a run that are still allocated, except those of the thread's own
// state and of the query cache.
func leaked(res faultmem.Result) []string {
	left := res.Left()
	if len(left) == 0 {
		return nil
	}
	faultmem.StopThread()
	return slices.DeleteFunc(res.Left(), func(place string) bool {
		return strings.Contains(place, queryCache) ||
			old && (strings.Contains(place, cipherStack) || strings.Contains(place, pskCopy)) ||
			decodesStaples && strings.Contains(place, "crypto/asn1/")
	})
}

// cipherStack is a leak of OpenSSL 1.1.1: the stack that SSL_CTX_set_cipher_list or
// SSL_CTX_set_ciphersuites was building when memory ran out. Our C code makes no stacks.
const cipherStack = "crypto/stack/stack.c"

// pskCopy is the place where OpenSSL 1.1.1 copies the external key of a TLS 1.2 handshake. It
// leaks the copy if it fails before the key has been mixed into the master secret.
const pskCopy = "ssl/statem/statem_"

var old = strings.HasPrefix(cshim.Version(), "OpenSSL 1.1.1")
