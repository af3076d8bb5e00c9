package valkeystore

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/valkey-io/valkey-go"
)

var (
	atLine = regexp.MustCompile(`user_script:(\d+)`)
	called = regexp.MustCompile(`redis\.call\('(\w+)'`)
)

// explain names the command of a script that the database's user may not run: Redis 7.0 says that there is
// one, and in which line. It returns nil for any other result.
func explain(script string, r valkey.ValkeyResult) error {
	e, ok := valkey.IsValkeyErr(r.Error())
	if !ok || !strings.Contains(e.Error(), "can't run this command") {
		return nil
	}
	m := atLine.FindStringSubmatch(e.Error())
	if m == nil {
		return nil
	}
	n, err := strconv.Atoi(m[1])
	lines := strings.Split(script, "\n")
	if err != nil || n < 1 || n > len(lines) {
		return nil
	}
	c := called.FindStringSubmatch(lines[n-1])
	if c == nil {
		return nil
	}
	return fmt.Errorf("this user has no permissions to run the '%s' command: %w", strings.ToLower(c[1]), e)
}
