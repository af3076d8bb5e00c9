// Package malloc asks glibc how much C memory is in use.
package malloc

// #include <malloc.h>
// #include <stdio.h>
// #include <stdlib.h>
//
// static char *info(void)
// {
//     char *out = NULL;
//     size_t n = 0;
//     FILE *f = open_memstream(&out, &n);
//
//     if (f == NULL || malloc_info(0, f) != 0 || fclose(f) != 0)
//         return NULL;
//     return out;
// }
import "C"

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"sessl/internal/leakcheck"
)

// Allocated returns how much C memory has not been freed, after garbage collection. glibc may
// keep freed memory in any of its arenas, which says nothing about this module.
func Allocated(t testing.TB) int64 {
	t.Helper()
	leakcheck.Collect()
	info := mallocInfo()
	totals := info[strings.LastIndex(info, "</heap>"):]
	return bytesOf(t, totals, `<system type="current" size="`) +
		bytesOf(t, totals, `<total type="mmap" count="\d+" size="`) -
		bytesOf(t, totals, `<total type="fast" count="\d+" size="`) - bytesOf(t, totals,
		`<total type="rest" count="\d+" size="`)
}

func bytesOf(t testing.TB, info, before string) int64 {
	t.Helper()
	m := regexp.MustCompile(before + `(\d+)"`).FindStringSubmatch(info)
	if m == nil {
		t.Fatalf("no %s in %s", before, info)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mallocInfo is glibc's report on all its arenas (malloc_info).
func mallocInfo() string {
	out := C.info()
	defer C.free(unsafe.Pointer(out))
	return C.GoString(out)
}
