// Package load asks what many connections cost: threads and memory.
package load

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

import "unsafe"

// mallocInfo is glibc's report on all its arenas (malloc_info).
func mallocInfo() string {
	out := C.info()
	defer C.free(unsafe.Pointer(out))
	return C.GoString(out)
}
