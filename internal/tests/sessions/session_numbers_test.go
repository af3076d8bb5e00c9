package sessions_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestProtocolVersion(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.MustNew(t)
	defer s.Close()
	for v := uint16(ssl.VersionTLS10); v <= ssl.VersionTLS13; v++ {
		if err := s.SetProtocolVersion(v); err != nil || ssltest.Get(t, s.ProtocolVersion) != v {
			t.Errorf("%s: %v, is %#x", ssl.VersionName(v), err, ssltest.Get(t, s.ProtocolVersion))
		}
	}
	for _, v := range []uint16{0, 2, 0x0300, 0x0305, 0xFEFD, math.MaxUint16} {
		ssltest.Refuses(t, ssl.VersionName(v), s.SetProtocolVersion(v), ssl.ErrRange)
	}
	if ssltest.Get(t, s.ProtocolVersion) != ssl.VersionTLS13 {
		t.Error("a refused version changed the old one")
	}
}

func TestVersionName(t *testing.T) {
	leakcheck.Test(t)
	for v, want := range map[uint16]string{0x0301: "TLS 1.0", 0x0304: "TLS 1.3", 0: "0x0000", 0x0300: "0x0300",
		0x0305: "0x0305", 0xFEFD: "0xFEFD"} {
		if got := ssl.VersionName(v); got != want {
			t.Errorf("%#x is %q, want %q", v, got, want)
		}
	}
}

func TestCipher(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.MustNew(t)
	defer s.Close()
	for want, wantName := range map[uint16]string{
		0x1301: "TLS_AES_128_GCM_SHA256", 0x1302: "TLS_AES_256_GCM_SHA384",
		0xC02B: "ECDHE-ECDSA-AES128-GCM-SHA256", 0xC030: "ECDHE-RSA-AES256-GCM-SHA384",
	} {
		err := s.SetCipher(want)
		id, name, _ := s.Cipher()
		if err != nil || id != want || name != wantName {
			t.Errorf("%#x: %v, is %#x %s", want, err, id, name)
		}
	}
	if err := s.SetCipher(0x1301); err != nil {
		t.Fatal(err)
	}
	for _, id := range []uint16{0, 0x0A0A, 0x1300, 0xFFFF} {
		ssltest.Refuses(t, "unknown cipher", s.SetCipher(id), ssl.ErrUnsupported)
	}
	if id, _, _ := s.Cipher(); id != 0x1301 {
		t.Error("a refused cipher changed the old one")
	}
}

func TestTime(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.MustNew(t)
	defer s.Close()
	// 2^64 nanoseconds end in 2554.
	const last = 18446744073
	for _, unix := range []int64{0, 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, last - 1, last, 1_700_000_000} {
		if err := s.SetTime(time.Unix(unix, 0)); err != nil || ssltest.Get(t, s.Time).Unix() != unix {
			t.Errorf("%d: %v, is %d", unix, err, ssltest.Get(t, s.Time).Unix())
		}
	}
	if err := s.SetTime(time.Unix(1_700_000_000, 999_999_999)); err != nil || !ssltest.Get(t,
		s.Time).Equal(time.Unix(1_700_000_000, 0)) {
		t.Errorf("not rounded down: %v %v", err, ssltest.Get(t, s.Time))
	}
	for _, bad := range []time.Time{{}, time.Unix(-1, 0), time.Unix(0, -1), time.Unix(last+1, 0),
		time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0)} {
		ssltest.Refuses(t, bad.String(), s.SetTime(bad), ssl.ErrRange)
	}
	if ssltest.Get(t, s.Time).Unix() != 1_700_000_000 {
		t.Error("a refused time changed the old one")
	}
}

func TestTimeout(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.MustNew(t)
	defer s.Close()
	if d := ssltest.Get(t, s.Timeout); d != 304*time.Second {
		t.Errorf("a new session has the timeout %s", d)
	}
	most := time.Duration(math.MaxInt64)
	for _, d := range []time.Duration{
		0, 1, time.Second - 1, time.Second, 1999 * time.Millisecond, 7 * 24 * time.Hour,
		time.Duration(1<<31) * time.Second, most, 300 * time.Second,
	} {
		if err := s.SetTimeout(d); err != nil || ssltest.Get(t, s.Timeout) != d.Truncate(time.Second) {
			t.Errorf("%s: %v, is %s", d, err, ssltest.Get(t, s.Timeout))
		}
	}
	for _, d := range []time.Duration{-1, -time.Second, math.MinInt64} {
		ssltest.Refuses(t, d.String(), s.SetTimeout(d), ssl.ErrRange)
	}
	if ssltest.Get(t, s.Timeout) != 300*time.Second {
		t.Error("a refused timeout changed the old one")
	}
}

func TestMaxEarlyData(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.MustNew(t)
	defer s.Close()
	for _, n := range []uint32{0, 1, 16384, 1 << 31, math.MaxUint32, 0} {
		if err := s.SetMaxEarlyData(n); err != nil || ssltest.Get(t, s.MaxEarlyData) != n {
			t.Errorf("%d: %v, is %d", n, err, ssltest.Get(t, s.MaxEarlyData))
		}
	}
}

// The numbers that only signal something are no cipher suites, though libssl has entries
// for them.
func TestSignallingValuesAreNoCiphers(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.Get(t, ssl.NewSession)
	defer s.Close()
	for _, id := range []uint16{0x00FF, 0x5600} {
		if err := s.SetCipher(id); !errors.Is(err, ssl.ErrUnsupported) {
			t.Errorf("SetCipher(0x%04X): %v, want ErrUnsupported", id, err)
		}
		cfg := ssltest.ClientConfig(t)
		cfg.CipherSuites = []uint16{id}
		ctx, err := ssl.NewClientCtx(cfg)
		if !errors.Is(err, ssl.ErrUnsupported) {
			t.Errorf("CipherSuites with 0x%04X: %v, want ErrUnsupported", id, err)
		}
		ctx.Close()
	}
}
