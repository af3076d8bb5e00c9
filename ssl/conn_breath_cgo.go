package ssl

/*
#include "conn.h"
*/
import "C"

import "sync/atomic"

type stepResult = C.sessl_step

// sesslBreathe is the only function that C calls, and runs nothing of the application. A handshake
// calls it in between if it computes for long, so that Go's scheduler does not take the processor
// from its goroutine: see breath.c.
//
//export sesslBreathe
func sesslBreathe() { breaths.Add(1) }

var breaths atomic.Uint64 // for tests

func init() { C.sessl_set_breath((*[0]byte)(C.sesslBreathe)) }
