package tickets_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// haproxyLine has the secrets of k as haproxy orders them: the AES key first in both sizes.
func haproxyLine(t testing.TB, k ssl.TicketKey) string {
	t.Helper()
	b := ssltest.SecretBytes(t, k)
	if len(b) == 80 {
		b = bytes.Join([][]byte{b[:16], b[48:], b[16:48]}, nil)
	}
	return base64.StdEncoding.EncodeToString(b) + "\n"
}

// uses are the keys of k, in words.
func uses(k *ssl.TicketKeys) (s string) {
	for _, i := range k.Infos() {
		s += fmt.Sprintf("%s %s %d\n", i.Use, i.Name, i.Bits)
	}
	return s
}

func use(what string, k ssl.TicketKey, bits int) string {
	return fmt.Sprintf("%s %s %d\n", what, k.Name(), bits)
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func loadTicketKeys(t testing.TB, files ...string) *ssl.TicketKeys {
	t.Helper()
	k, err := ssl.LoadTicketKeys(files...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// nginx: the first file encrypts. A Reload takes what is there then, or nothing.
func TestLoadTicketKeysOfNginx(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	long, short := ssltest.NewTicketKey(t), ssltest.ShortTicketKey(t)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	writeFile(t, a, ssltest.SecretBytes(t, long))
	writeFile(t, b, ssltest.SecretBytes(t, short))
	k := loadTicketKeys(t, a, b)
	if got, want := uses(k), use("current", long, 256)+use("old", short, 128); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	since := k.Infos()[0].Since
	writeFile(t, b, []byte("short"))
	if err := k.Reload(); !errors.Is(err, ssl.ErrMalformed) || !strings.Contains(err.Error(), b) {
		t.Errorf("a file of 5 bytes: %v", err)
	}
	writeFile(t, b, ssltest.SecretBytes(t, long))
	if err := k.Reload(); !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(), long.Name()) {
		t.Errorf("one key twice: %v", err)
	}
	if got, want := uses(k), use("current", long, 256)+use("old", short, 128); got != want {
		t.Errorf("after an error\n%s", got)
	}
	next := ssltest.NewTicketKey(t)
	writeFile(t, a, ssltest.SecretBytes(t, next))
	if err := k.Reload(); err != nil {
		t.Fatal(err)
	}
	if got, want := uses(k), use("current", next, 256)+use("old", long, 256); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if !k.Infos()[1].Since.Equal(since) {
		t.Error("a key that stayed has another age")
	}
}

// haproxy: the last line but one encrypts, and no line before the last three counts.
func TestLoadTicketKeysOfHAProxy(t *testing.T) {
	leakcheck.Test(t)
	for name, c := range map[string]struct {
		make func(testing.TB) ssl.TicketKey
		bits int
	}{"80 bytes": {ssltest.NewTicketKey, 256}, "48 bytes": {ssltest.ShortTicketKey, 128}} {
		var keys []ssl.TicketKey
		var lines string
		for range 4 {
			keys = append(keys, c.make(t))
			lines += haproxyLine(t, keys[len(keys)-1])
		}
		want := use("current", keys[2], c.bits) + use("next", keys[3], c.bits) + use("old", keys[1], c.bits)
		for how, text := range map[string]string{
			"as it is": lines, "with CRLF": strings.ReplaceAll(lines, "\n", "\r\n"),
			"without the last newline": strings.TrimSuffix(lines, "\n"),
		} {
			k := loadTicketKeys(t, writeFile(t, filepath.Join(t.TempDir(), "keys"), []byte(text)))
			if got := uses(k); got != want {
				t.Errorf("%s, %s: got\n%swant\n%s", name, how, got, want)
			}
		}
		set, err := ssl.ParseTicketKeys([]byte(lines))
		if err != nil {
			t.Fatal(err)
		}
		text, err := set.SecretHAProxy()
		if err != nil || string(text) != strings.Join(strings.SplitAfter(lines, "\n")[1:], "") {
			t.Errorf("%s: %v, written as\n%s", name, err, text)
		}
		for i, k := range []ssl.TicketKey{set.Old[0], set.Current, set.Next} {
			if !bytes.Equal(ssltest.SecretBytes(t, k), ssltest.SecretBytes(t, keys[i+1])) {
				t.Errorf("%s: the bytes of key %d are in another order", name, i)
			}
		}
	}
}

func TestParseTicketKeysRefused(t *testing.T) {
	leakcheck.Test(t)
	long, short := ssltest.NewTicketKey(t), ssltest.ShortTicketKey(t)
	line := func() string { return haproxyLine(t, ssltest.NewTicketKey(t)) }
	three := line() + line() + line()
	for what, c := range map[string]struct {
		data []string
		want error
	}{
		"nothing":       {nil, ssl.ErrConfig},
		"an empty file": {[]string{""}, ssl.ErrMalformed},
		"two lines":     {[]string{line() + line()}, ssl.ErrMalformed},
		"an empty line": {[]string{line() + "\n" + line() + line()}, ssl.ErrMalformed},
		"two sizes":     {[]string{line() + haproxyLine(t, short) + line()}, ssl.ErrMalformed},
		"bad base64":    {[]string{"*" + three[1:]}, ssl.ErrMalformed},
		"a long line":   {[]string{strings.Repeat("A", 1<<16) + "\n" + three}, ssl.ErrMalformed},
		"a line of 79 bytes": {[]string{base64.StdEncoding.EncodeToString(ssltest.SecretBytes(t, long)[:79]) +
			"\n" + three}, ssl.ErrMalformed},
		"a line of zeros": {[]string{base64.StdEncoding.EncodeToString(make([]byte, 80)) + "\n" + three},
			ssl.ErrMalformed},
		"one key twice":      {[]string{three + haproxyLine(t, long) + haproxyLine(t, long)}, ssl.ErrConfig},
		"two files of lines": {[]string{three, three}, ssl.ErrMalformed},
		"a key and lines":    {[]string{string(ssltest.SecretBytes(t, long)), three}, ssl.ErrMalformed},
		"a key and 81 bytes": {[]string{string(ssltest.SecretBytes(t, long)), strings.Repeat("x", 81)},
			ssl.ErrMalformed},
		"81 bytes": {[]string{strings.Repeat("x", 81)}, ssl.ErrMalformed},
		"two files, one name": {[]string{string(ssltest.SecretBytes(t, long)),
			string(ssltest.SecretBytes(t, long))}, ssl.ErrConfig},
		"far too much": {[]string{strings.Repeat(three, 1<<20/len(three)+1)}, ssl.ErrTooLarge},
	} {
		var data [][]byte
		for _, s := range c.data {
			data = append(data, []byte(s))
		}
		set, err := ssl.ParseTicketKeys(data...)
		var e *ssl.Error
		if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Op != "ParseTicketKeys" {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
		if set.Current.Name() != "" {
			t.Errorf("%s: there is a key beside the error", what)
		}
		for _, s := range c.data {
			if err != nil && len(s) > 20 && strings.Contains(err.Error(), s[:20]) {
				t.Errorf("%s: the error has the input in it", what)
			}
		}
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := ssl.LoadTicketKeySet(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := ssl.LoadTicketKeys(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := ssl.LoadTicketKeys("/dev/zero"); !errors.Is(err, ssl.ErrTooLarge) {
		t.Errorf("a file without end: %v", err)
	}
	for what, set := range map[string]ssl.TicketKeySet{
		"one key":   {Current: long},
		"no old":    {Current: long, Next: ssltest.NewTicketKey(t)},
		"no next":   {Current: long, Old: []ssl.TicketKey{ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)}},
		"two sizes": {Current: long, Next: ssltest.NewTicketKey(t), Old: []ssl.TicketKey{short}},
	} {
		if _, err := set.SecretHAProxy(); !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("haproxy with %s: %v", what, err)
		}
	}
}
