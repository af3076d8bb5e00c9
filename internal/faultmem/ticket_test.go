package faultmem_test

import (
	"errors"
	"fmt"
	"testing"

	"sessl/internal/faultmem"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// ticketing is a link whose server has TicketKeys.
func ticketing(t *testing.T, version uint16) (*link, *ssl.TicketKeys, ssl.TicketKeySet) {
	t.Helper()
	set := ssl.TicketKeySet{Current: ssltest.NewTicketKey(t), Next: ssltest.NewTicketKey(t),
		Old: []ssl.TicketKey{ssltest.NewTicketKey(t)}}
	keys, err := ssl.NewTicketKeysFrom(set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	l := newLink(t, version, setup{})
	l.server = ssltest.NewServerCtx(t,
		&ssl.Config{Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")},
			MaxVersion: version, TicketKeys: keys})
	return l, keys, set
}

// If keys cannot be made or replaced for want of memory, the old ones stay.
func TestTicketKeysOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	set := ssl.TicketKeySet{Current: ssltest.NewTicketKey(t), Next: ssltest.NewTicketKey(t)}
	keys, err := ssl.NewTicketKeysFrom(set)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	for name, f := range map[string]func() error{
		"TicketKeys.Rotate": func() error { return keys.Rotate(ssl.TicketKey{}) },
		"TicketKeys.SetKeys": func() error {
			return keys.SetKeys(ssl.TicketKeySet{Current: set.Next, Old: []ssl.TicketKey{set.Current}})
		},
		"NewTicketKeys": func() error {
			k, err := ssl.NewTicketKeys(nil)
			k.Close()
			return err
		},
		"NewTicketKeysFrom": func() error {
			k, err := ssl.NewTicketKeysFrom(set)
			k.Close()
			return err
		},
	} {
		every(t, func(op func(string)) (err, wrong error) {
			if wrong := faultmem.Aside(func() error { return keys.SetKeys(set) }); wrong != nil {
				return nil, wrong
			}
			before := fmt.Sprint(keys.Infos())
			op(name)
			err = f()
			if after := fmt.Sprint(keys.Infos()); err != nil && after != before {
				wrong = fmt.Errorf("%s: %s, then %s", name, before, after)
			}
			// the keys that it made are in use
			return err, errors.Join(wrong, faultmem.Aside(func() error { return keys.SetKeys(set) }))
		})
	}
}

func TestTicketKeysCtxOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.KeyPair(t, "server-ecdsa")
	keys, err := ssl.NewTicketKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	perSite(t, func(op func(string)) (err, wrong error) {
		op("NewServerCtx")
		ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, TicketKeys: keys})
		ctx.Close()
		return err, nil
	})
}

// A server without memory encrypts, opens and renews tickets.
func TestTicketKeysHandshakeOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l, keys, set := ticketing(t, version)
		offer := l.session(t)
		defer offer.Close()
		if err := keys.SetKeys(ssl.TicketKeySet{Current: set.Next, Old: []ssl.TicketKey{set.Current}}); err != nil {
			t.Fatal(err)
		}
		resumed := 0
		perSite(t, func(op func(string)) (err, wrong error) {
			s := l.serverEnd()
			s.op, s.resume = op, &resumed
			before := keys.Stats()
			err, wrong = drive(s.run, l.clientEnd(offer).run)
			after := keys.Stats()
			if after.Unknown != before.Unknown || after.Declined > before.Declined+1 {
				wrong = errors.Join(wrong, fmt.Errorf("%+v, then %+v", before, after))
			}
			return err, wrong
		})
		if st := keys.Stats(); resumed < 2 || st.Renewed < 2 {
			t.Errorf("%d handshakes resumed, %+v: the sweep was one of full ones", resumed, st)
		}
	})
}
