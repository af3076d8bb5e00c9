package ssl_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// unpacked are the parts of a packed session: DER, stamp, chain.
func unpacked(t *testing.T, plain []byte) (parts [][]byte) {
	t.Helper()
	for b := plain[1:]; len(b) > 0; {
		n := binary.BigEndian.Uint32(b)
		parts, b = append(parts, b[4:4+n]), b[4+n:]
	}
	if len(parts) != 3 || len(parts[2]) < 10 {
		t.Fatalf("a packed session has %d parts", len(parts))
	}
	return parts
}

func packedOf(version byte, parts ...[]byte) []byte {
	b := []byte{version}
	for _, p := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
	}
	return b
}

// A session that another version of the package has sealed under the same keys, with another form
// of what stands beside the DER, is refused where it comes in, by servers and clients.
func TestSealedByAnotherVersion(t *testing.T) {
	leakcheck.Test(t)
	keys := fuzzKeys(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := ssltest.Session(t, cli, srv)
		id, err := s.ID()
		if err != nil {
			t.Fatal(err)
		}
		plain, err := ssl.PackedSession(s)
		if err != nil {
			t.Fatal(err)
		}
		p := unpacked(t, plain)
		der, stamp, chain := p[0], p[1], p[2]
		for name, c := range map[string]struct {
			plain []byte
			want  error
		}{
			"as it is":          {plain, nil},
			"without a chain":   {packedOf(1, der, stamp, nil), nil},
			"version 0":         {packedOf(0, der, stamp, chain), ssl.ErrMalformed},
			"version 2":         {packedOf(2, der, stamp, chain), ssl.ErrMalformed},
			"no version":        {plain[1:], ssl.ErrMalformed},
			"one part more":     {packedOf(1, der, stamp, chain, nil), ssl.ErrMalformed},
			"one part less":     {packedOf(1, der, stamp), ssl.ErrMalformed},
			"nothing":           {nil, ssl.ErrMalformed},
			"another kind":      {packedOf(1, der, stamp, slices.Concat([]byte{7}, chain[1:])), ssl.ErrMalformed},
			"a cut length":      {packedOf(1, der, stamp, chain[:3]), ssl.ErrMalformed},
			"a cut certificate": {packedOf(1, der, stamp, chain[:len(chain)-1]), ssl.ErrMalformed},
			"a byte too much":   {packedOf(1, der, stamp, append(slices.Clone(chain), 0)), ssl.ErrMalformed},
			"a length of all bits": {packedOf(1, der, stamp,
				slices.Concat(chain[:1], []byte{255, 255, 255, 255}, chain[5:])), ssl.ErrMalformed},
		} {
			sealed, err := keys.SealAsStored(id, c.plain)
			if err != nil {
				t.Fatal(err)
			}
			got, err := keys.OpenStored(id, sealed)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: OpenStored: %v, want %v", name, err, c.want)
			}
			if got != nil {
				offered(t, cli, srv, got)
			}
			if n, err := loadedFrom(t, keys, c.plain); !errors.Is(err, c.want) || (n == 1) != (err == nil) {
				t.Errorf("%s: Load: %d, %v, want %v", name, n, err, c.want)
			}
		}
	})
}

// offered has a client look at all that s says of its peer.
func offered(t *testing.T, cli, srv *ssl.Config, s *ssl.Session) {
	t.Helper()
	defer s.Close()
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), a, b)
	if err := p.Client.SetSession(s); err != nil {
		t.Error(err)
	}
	p.MustShake(t)
	p.Echo(t)
	p.CloseBoth()
}

// loadedFrom has a client's cache load a file with one session.
func loadedFrom(t *testing.T, keys *ssl.SealKeys, plain []byte) (int, error) {
	t.Helper()
	sealed, err := keys.SealAsFile(packedOf(0, []byte("here"), []byte("localhost"), nil, make([]byte, 32),
		plain)[1:])
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(file, sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	cache := ssl.NewClientSessionCache(0)
	defer cache.Close()
	return cache.Load(file, keys)
}
