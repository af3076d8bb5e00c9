//go:build ssldebug

package ssl

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
)

// debugInfo remembers where a handle was made, for LiveHandles and for the profiles
// ssl.session, ssl.conn, ssl.ctx, ssl.certificate and others.
type debugInfo struct {
	name   string
	number uint64
	stack  [24]uintptr
}

var live struct {
	sync.Mutex
	last     uint64
	handles  map[*debugInfo]struct{}
	profiles map[string]*pprof.Profile
}

// skipFrames hides opened, handle.adopt and the constructor's helper.
const skipFrames = 3

func (d *debugInfo) opened(name string) {
	live.Lock()
	defer live.Unlock()
	if live.handles == nil {
		live.handles = map[*debugInfo]struct{}{}
		live.profiles = map[string]*pprof.Profile{}
	}
	p := live.profiles[name]
	if p == nil {
		p = pprof.NewProfile("ssl." + name)
		live.profiles[name] = p
	}
	live.last++
	d.name, d.number = name, live.last
	runtime.Callers(skipFrames, d.stack[:])
	live.handles[d] = struct{}{}
	p.Add(d, skipFrames-1)
}

func (d *debugInfo) freed(name string) {
	live.Lock()
	defer live.Unlock()
	delete(live.handles, d)
	live.profiles[name].Remove(d)
}

func writeLiveHandles(w io.Writer) (bool, error) {
	live.Lock()
	defer live.Unlock()
	all := slices.SortedFunc(maps.Keys(live.handles), func(a, b *debugInfo) int {
		return cmp.Compare(a.number, b.number)
	})
	for _, d := range all {
		if _, err := fmt.Fprintf(w, "%s handle #%d, made at:\n", d.name, d.number); err != nil {
			return true, err
		}
		frames := runtime.CallersFrames(d.stack[:])
		for {
			f, more := frames.Next()
			if f.Function != "" {
				fmt.Fprintf(w, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
			}
			if !more {
				break
			}
		}
	}
	return true, nil
}
