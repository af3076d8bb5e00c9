package ssl

import (
	"slices"
	"sync"
)

// maxPipes is of how many pipes the content is kept.
const maxPipes = 16

// The system's roots as they were read last, for all Ctxs. mu is never held while a file is looked
// at, which may take as long as its writer or a server likes.
var system struct {
	mu      sync.Mutex
	last    *rootFiles
	readers map[[2]string]*rootReader
	pipes   []pipeContent // the latest
}

// A rootReader lets one goroutine at a time read the files of one place: pipes are read once.
type rootReader struct {
	turn  sync.Mutex
	users int // under system.mu
}

// A pipeContent is what came out of a pipe, which comes once.
type pipeContent struct {
	state fileState
	data  []byte
}

// lastRoots is what was read last, if that was from there and no file has changed; else nil.
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

// takeTurn waits for those who read the same files, and returns what ends the turn.
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

// pipeRead is what came out of the pipe, if it is as it was then.
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

// keepPipe takes the place of what came out of the same pipe before, and of the oldest where
// there are many.
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
