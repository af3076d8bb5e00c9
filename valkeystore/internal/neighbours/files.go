package neighbours

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Files are where keys are written; those with an empty name are not.
type Files struct {
	HAProxy string
	Nginx   [3]string // the current key, the next one, the old one
}

// Write replaces the files, each as a whole or not at all. At any moment nginx's files have both the key that
// encrypted before and the one that does now, if nginx reads them in between.
func (f Files) Write(s Set) error {
	if f.HAProxy != "" {
		if err := f.writeHAProxy(s); err != nil {
			return err
		}
	}
	if f.Nginx[0] == "" {
		return nil
	}
	current, next, old := f.Nginx[0], f.Nginx[1], f.Nginx[2]
	return errors.Join(writeKey(old, s.Old), writeKey(current, s.Current), writeKey(next, s.Next))
}

func (f Files) writeHAProxy(s Set) error {
	lines, err := s.lines()
	if err != nil {
		return err
	}
	defer wipe(lines[:])
	text := make([]byte, 0, len(lines)*(lineLen+1)) // never grown, so that no copy is left
	defer func() { clear(text) }()
	for _, l := range lines {
		text = append(append(text, l...), '\n')
	}
	return replace(f.HAProxy, text)
}

func writeKey(name string, k interface{ SecretBytes() ([]byte, error) }) error {
	b, err := k.SecretBytes()
	if err != nil {
		return err
	}
	defer clear(b)
	return replace(name, b)
}

// replace leaves either the old file or the whole new one, which its owner alone can read. A link stays.
func replace(name string, data []byte) (err error) {
	if to, err := filepath.EvalSymlinks(name); err == nil {
		name = to
	}
	if was, err := os.Stat(name); err == nil && !was.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// Run runs a command, without input or output. When the time is up, it is killed, with all that it has
// started in its process group.
func Run(ctx context.Context, words []string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	return nil
}
