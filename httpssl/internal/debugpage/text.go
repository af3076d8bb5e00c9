package debugpage

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sessl/ssl"
)

// maxText is how many characters of an error are shown; the JSON has all of them.
const maxText = 400

// clean makes one line of a text that others have chosen, without characters that the eye cannot see, and
// cuts it off. The template escapes what is left.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.Is(unicode.Cf, r): // marks that turn the direction, among others
			return '\uFFFD'
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r):
			return '\uFFFD'
		}
		return r
	}, s)
	n := 0
	for i := range s {
		if n++; n > maxText {
			return s[:i] + "…"
		}
	}
	return s
}

// number writes n with a comma before each three digits.
func number[T ~int | ~int64 | ~uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// share is part of all in percent.
func share(part, all uint64) float64 {
	if all == 0 {
		return 0
	}
	return 100 * float64(part) / float64(all)
}

func percent(part, all uint64) string {
	switch p := share(part, all); {
	case all == 0:
		return "–"
	case p > 0 && p < 0.1:
		return "< 0.1 %"
	case p > 99.9 && p < 100:
		return "> 99.9 %"
	default:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	}
}

// short writes d with two or three digits.
func short(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case ms >= 10:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 1:
		return fmt.Sprintf("%.2g ms", ms)
	}
	return fmt.Sprintf("%.2g ms", ms)
}

// span writes d in one or two units of time.
func span(d time.Duration) string {
	d = max(d, 0)
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.size {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.size, u.name)
		if i+1 < len(units) {
			if rest := d % u.size / units[i+1].size; rest > 0 && d/u.size < 10 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "0 s"
}

func ago(now, at time.Time) string { return span(now.Sub(at)) + " ago" }

// bytesOf writes a size.
func bytesOf(n int64) string {
	switch {
	case n >= 10<<20:
		return number(n>>20) + " MiB"
	case n >= 10<<10:
		return number(n>>10) + " KiB"
	}
	return number(n) + " bytes"
}

// quantile estimates below which time a share q of the durations was: they are taken to be spread evenly
// over their bucket.
func quantile(h ssl.Histogram, q float64) string {
	if h.Count == 0 {
		return "–"
	}
	d, ok := quantileOf(h, q)
	if !ok {
		return "> " + short(d)
	}
	return short(d)
}

func quantileOf(h ssl.Histogram, q float64) (d time.Duration, ok bool) {
	rank := q * float64(h.Count)
	var low time.Duration
	before := uint64(0)
	for _, b := range h.Buckets {
		if float64(b.Count) >= rank && b.Count > before {
			in := (rank - float64(before)) / float64(b.Count-before)
			return low + time.Duration(in*float64(b.UpTo-low)), true
		}
		low, before = b.UpTo, b.Count
	}
	return low, false
}
