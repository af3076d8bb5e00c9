package ssl

import (
	"slices"
	"sync"
)

// maxPipes is how many pipes have their content kept.
const maxPipes = 16

// system has the system's roots as they were last read, for all Ctxs. mu is never held during an
// access to a file, which takes as long as the file's writer or a file server likes.
var system struct {
	mu      sync.Mutex
	last    *rootFiles
	readers map[[2]string]*rootReader
	pipes   []pipeContent // oldest first
}

// A rootReader lets one goroutine at a time read the files of one place, because pipes are read
// only once.
type rootReader struct {
	turn  sync.Mutex
	users int // under system.mu
}

// A pipeContent is what was read from a pipe, since a pipe can be read only once.
type pipeContent struct {
	state fileState
	data  []byte
}

// lastRoots returns the roots that were read last, if they are from there and no file has changed,
// or nil.
func lastRoots(from [2]string) *rootSet {
	last := lastRead()
	if last != nil && last.from == from && last.settled && last.unchanged() {
		return last.set
	}
	return nil
}

func lastRead() *rootFiles {
	system.mu.Lock()
	defer system.mu.Unlock()
	return system.last
}

// takeTurn waits until no other goroutine reads the same files. The caller must call end after it
// has read them.
func takeTurn(from [2]string) (end func()) {
	system.mu.Lock()
	r := system.readers[from]
	if r == nil {
		r = &rootReader{}
		if system.readers == nil {
			system.readers = map[[2]string]*rootReader{}
		}
		system.readers[from] = r
	}
	r.users++
	system.mu.Unlock()
	r.turn.Lock()
	return func() {
		r.turn.Unlock()
		system.mu.Lock()
		defer system.mu.Unlock()
		if r.users--; r.users == 0 {
			delete(system.readers, from)
		}
	}
}

// pipeRead returns what was read from a pipe, if the pipe has not changed since.
func pipeRead(state fileState) (data []byte, ok bool) {
	system.mu.Lock()
	defer system.mu.Unlock()
	for _, p := range system.pipes {
		if p.state == state {
			return p.data, true
		}
	}
	return nil, false
}

// keepPipe keeps what was read from a pipe. It replaces what came from the same pipe before, and
// the oldest content if there are maxPipes.
func keepPipe(state fileState, data []byte) {
	system.mu.Lock()
	defer system.mu.Unlock()
	system.pipes = slices.DeleteFunc(system.pipes, func(p pipeContent) bool {
		return p.state.name == state.name || p.state.dev == state.dev && p.state.ino == state.ino
	})
	if len(system.pipes) == maxPipes {
		system.pipes = slices.Delete(system.pipes, 0, 1)
	}
	system.pipes = append(system.pipes, pipeContent{state, data})
}
