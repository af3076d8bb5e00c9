package ssl

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	maxRootFile = 64 << 20
	pipePause   = 5 * time.Millisecond // between looks at a pipe without a writer
)

var (
	// settleTime is how old a file's last change must be when the file is read. The
	// clocks of file systems can be as coarse as two seconds, and a second write within
	// one tick of such a clock shows no change.
	settleTime = 3 * time.Second

	// pipePatience is for how long a pipe may stay without data.
	pipePatience = 5 * time.Second
)

// A rootFiles describes the files that the system's roots were once made from.
type rootFiles struct {
	from    [2]string // the file, and the list of directories
	seen    []fileState
	content [sha256.Size]byte
	settled bool // whether a change of the files would show in seen
	set     *rootSet
}

// A fileState differs when a file has changed. Its time is that of the last status
// change, which no program can set, unlike that of the last modification.
type fileState struct {
	name     string
	dev, ino uint64
	mode     uint32
	size     int64
	changed  syscall.Timespec
	missing  bool
}

// A rootFile is the content of one file.
type rootFile struct {
	name string
	data []byte
	hash *uint32 // of the subject, for files of a directory
}

// systemRoots returns OpenSSL's default trusted certificates as they are now. They are
// read in Go, once: libssl reads the file when it is told to, but the directories
// during handshakes, so that it would be unknown what a session was verified by.
func systemRoots() (*rootSet, error) {
	const what = "the system's roots: %w"
	file, dirs, err := defaultRoots()
	if err != nil {
		return nil, fmt.Errorf(what, err)
	}
	from := [2]string{file, dirs}
	if set := lastRoots(from); set != nil {
		return set, nil
	}
	defer takeTurn(from)()
	if set := lastRoots(from); set != nil { // another Ctx has read them meanwhile
		return set, nil
	}
	now, err := readRoots(from)
	if err != nil {
		return nil, fmt.Errorf(what, err)
	}
	system.mu.Lock()
	defer system.mu.Unlock()
	system.last = now
	return now.set, nil
}

// unchanged reports whether all files are still what they were.
func (f *rootFiles) unchanged() bool {
	for _, s := range f.seen {
		if now, _ := stateOf(s.name); now != s {
			return false
		}
	}
	return true
}

// readRoots reads all files, and parses them unless their content is what it was.
func readRoots(from [2]string) (*rootFiles, error) {
	f := &rootFiles{from: from}
	start := time.Now()
	files, unread, err := f.read()
	if err != nil {
		return nil, err
	}
	if len(files) == 0 && unread != nil {
		return nil, unread
	}
	h := sha256.New()
	for _, x := range files {
		fmt.Fprintf(h, "%q %d;", x.name, len(x.data))
		h.Write(x.data)
	}
	f.content = [sha256.Size]byte(h.Sum(nil))
	f.settled = true
	for _, s := range f.seen {
		if !s.isPipe() && start.Sub(time.Unix(s.changed.Unix())) < settleTime {
			f.settled = false
		}
	}
	if last := lastRead(); last != nil && last.content == f.content {
		f.set = last.set
		return f, nil
	}
	f.set, err = newRootSet(&systemRootsKind, func(s *rootSet, p rootsPtr) error {
		for _, x := range files {
			if err := s.add(p, x.data, x.name+": ", x.hash); err != nil {
				return err
			}
		}
		return nil
	})
	return f, err
}

// read returns the existing files. Files that are missing or not permitted are left out; unread is
// the error of the first that was not permitted. err is an error that may be gone the next time.
func (f *rootFiles) read() (files []rootFile, unread, err error) {
	tolerate := func(err error) error {
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			return nil
		case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EISDIR),
			errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
			if unread == nil {
				unread = err
			}
			return nil
		}
		return err
	}
	take := func(name string, hash *uint32) error {
		data, state, err := readRootFile(name)
		f.seen = append(f.seen, state)
		if err == nil {
			files = append(files, rootFile{name, data, hash})
		}
		return tolerate(err)
	}
	if f.from[0] != "" {
		if err := take(f.from[0], nil); err != nil {
			return nil, nil, err
		}
	}
	for _, dir := range filepath.SplitList(f.from[1]) {
		if dir == "" {
			continue
		}
		state, err := stateOf(dir)
		f.seen = append(f.seen, state)
		names, err2 := os.ReadDir(dir) // sorted
		if err := errors.Join(tolerate(err), tolerate(err2)); err != nil {
			return nil, nil, err
		}
		for _, name := range names {
			if hash, ok := subjectHash(name.Name()); ok {
				if err := take(filepath.Join(dir, name.Name()), &hash); err != nil {
					return nil, nil, err
				}
			}
		}
	}
	return files, unread, nil
}

// subjectHash returns the hash in the name of a directory's file, if it has the form of
// 8 hexadecimal digits, a dot and a number.
func subjectHash(name string) (hash uint32, ok bool) {
	h, n, _ := strings.Cut(name, ".")
	sum, err := strconv.ParseUint(h, 16, 32)
	if len(h) != 8 || err != nil || n == "" || strings.Trim(n, "0123456789") != "" {
		return 0, false
	}
	return uint32(sum), true
}

// isPipe reports whether the file may be readable only once.
func (s fileState) isPipe() bool {
	kind := s.mode & syscall.S_IFMT
	return !s.missing && kind != syscall.S_IFREG && kind != syscall.S_IFDIR
}

// stateOf is the state of the file that name leads to by links. A missing file has a state, too.
func stateOf(name string) (fileState, error) {
	info, err := os.Stat(name)
	if err != nil {
		return fileState{name: name, missing: true}, err
	}
	return newFileState(name, info), nil
}

func newFileState(name string, info fs.FileInfo) fileState {
	s := fileState{name: name}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino, s.mode, s.size = uint64(st.Dev), st.Ino, st.Mode, st.Size
		s.changed = st.Ctim
	}
	return s
}

// readRootFile reads a file, or a pipe that has not been read yet.
func readRootFile(name string) ([]byte, fileState, error) {
	state, err := stateOf(name)
	if err != nil {
		return nil, state, err
	}
	if data, ok := pipeRead(state); ok {
		return data, state, nil
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for its writer
	if err != nil {
		return nil, state, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, state, err
	}
	state = newFileState(name, info)
	data, err := readWithin(f, info.Mode()&fs.ModeNamedPipe != 0)
	if err == nil && len(data) > maxRootFile {
		err = &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	if err == nil && state.isPipe() {
		if info, err = f.Stat(); err == nil { // the writer has changed the pipe's times
			state = newFileState(name, info)
			keepPipe(state, data)
		}
	}
	return data, state, err
}

// readWithin reads a file to its end, and a pipe until its writers are gone. A pipe
// that has not been opened for writing yet seems to be at its end.
func readWithin(f *os.File, pipe bool) ([]byte, error) {
	until := time.Now().Add(pipePatience)
	f.SetReadDeadline(until) // regular files have none, and do not wait
	for {
		data, err := io.ReadAll(io.LimitReader(f, maxRootFile+1))
		if err != nil || !pipe || len(data) > 0 {
			return data, err
		}
		if time.Now().After(until) {
			return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: os.ErrDeadlineExceeded}
		}
		time.Sleep(pipePause)
	}
}
