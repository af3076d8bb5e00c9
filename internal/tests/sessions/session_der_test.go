package sessions_test

import (
	"encoding/asn1"
	"errors"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Context tags of the fields in a session's DER.
const (
	tagTime    = 1
	tagTimeout = 2
	tagHint    = 9
)

// derSession encodes a TLS 1.2 session with one number more, of any size.
func derSession(t *testing.T, tag int, n *big.Int) []byte {
	t.Helper()
	encode := func(v any) []byte {
		b, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var body []byte
	for _, v := range []any{1, ssl.VersionTLS12, []byte{0xC0, 0x2B}, []byte("id"), ssltest.Secret} {
		body = append(body, encode(v)...)
	}
	field := func(tag int, b []byte) {
		body = append(body, encode(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true,
			Bytes: b})...)
	}
	if tag < 4 {
		field(tag, encode(n))
	}
	field(4, encode([]byte("ctx")))
	if tag > 4 {
		field(tag, encode(n))
	}
	return encode(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
}

// Numbers that no handshake makes: refused, or read as what they are as far as the type
// goes. None wraps around.
func TestNumbersFromHostileDER(t *testing.T) {
	leakcheck.Test(t)
	most := time.Duration(math.MaxInt64 / int64(time.Second) * int64(time.Second))
	for _, c := range []struct {
		tag  int
		get  func(*ssl.Session) (time.Duration, error)
		name string
	}{
		{tagTimeout, (*ssl.Session).Timeout, "timeout"},
		{tagHint, (*ssl.Session).TicketLifetimeHint, "lifetime hint"},
	} {
		for _, text := range []string{"1", "86400", "9223372036", "9223372037", "4611686018427387904",
			"9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "-1",
			"-9223372037", "-4611686018427387904", "-9223372036854775808"} {
			n, _ := new(big.Int).SetString(text, 10)
			s, err := ssl.ParseSession(derSession(t, c.tag, n))
			if err != nil {
				if !errors.Is(err, ssl.ErrMalformed) || len(text) < 8 && n.Sign() > 0 {
					t.Errorf("%s %s: %v", c.name, text, err)
				}
				continue
			}
			d := ssltest.Get(t, func() (time.Duration, error) { return c.get(s) })
			switch {
			case n.Sign() > 0 && n.Cmp(big.NewInt(int64(most/time.Second))) <= 0 &&
				d != time.Duration(n.Int64())*time.Second:
				t.Errorf("%s %s is %s", c.name, text, d)
			// Beyond what a Duration holds, 3.5 and later count nanoseconds modulo 2^64.
			case n.Sign() > 0 && d < 0 || n.Sign() < 0 && d > 0 && d != most:
				t.Errorf("%s %s wrapped around to %s", c.name, text, d)
			}
			if err := s.Print(io.Discard); err != nil || s.String() == "" {
				t.Errorf("%s %s: Print: %v", c.name, text, err)
			}
			s.Close()
		}
	}
	for _, unix := range []int64{1, 1 << 31, 1<<33 - 1, math.MaxInt64, -1, math.MinInt64} {
		s, err := ssl.ParseSession(derSession(t, tagTime, big.NewInt(unix)))
		if err != nil {
			if !errors.Is(err, ssl.ErrMalformed) || unix > 0 {
				t.Errorf("time %d: %v", unix, err)
			}
			continue
		}
		if at := ssltest.Get(t, s.Time).Unix(); unix > 0 && unix <= 1<<33 && at != unix {
			t.Errorf("time %d is %d", unix, at)
		}
		if !strings.HasPrefix(s.String(), "ssl.Session(TLS 1.2") {
			t.Errorf("time %d: %s", unix, s)
		}
		s.Close()
	}
}
