package faultmem_test

import (
	"errors"
	"testing"

	"sessl/ssl"
)

// refuses is the flow of an end that must not complete its handshake, whichever allocation
// fails.
func refuses(s side) func() (err, wrong error) {
	return func() (err, wrong error) {
		a, b := pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			peer := s.l.serverEnd()
			if s.server {
				peer = s.l.clientEnd(nil)
			}
			peer.run(b) // its outcome does not matter: the end under test decides for itself
			b.Close()
		}()
		defer func() {
			a.Close()
			<-done
		}()
		c, err := s.open(a)
		if err != nil {
			return err, nil
		}
		defer c.Close()
		if s.offer != nil {
			if err := s.give(c); err != nil {
				return err, nil
			}
		}
		switch err := s.do("Conn.Handshake", c.Handshake); {
		case err == nil:
			return nil, errors.New("the peer was trusted")
		case refusal(err):
			return nil, nil
		default:
			return err, nil
		}
	}
}

// refusal is the outcome with all memory.
func refusal(err error) bool {
	var v *ssl.VerificationError
	var e *ssl.Error
	return errors.As(err, &v) ||
		errors.As(err, &e) && len(e.Entries) > 0 && e.Entries[0].Reason == "peer did not return a certificate"
}

// No failed allocation makes an end trust a peer that it would refuse.
func TestOutOfMemoryTrustsNobody(t *testing.T) {
	for _, c := range []struct {
		name   string
		setup  setup
		server bool
	}{
		{"client, other root", setup{clientRoot: "other-ca"}, false},
		{"server, no certificate", setup{mutual: true, clientCert: "none"}, true},
		{"server, certificate of another root", setup{mutual: true, clientCert: "selfsigned"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			forEachVersion(t, func(t *testing.T, version uint16) {
				l := newLink(t, version, c.setup)
				perSite(t, func(op func(string)) (err, wrong error) {
					s := side{l: l, server: c.server, op: op}
					return refuses(s)()
				})
			})
		})
	}
}

// Nor does an end resume a session whose peer it does not trust.
func TestOutOfMemoryResumesNoStranger(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		good := newLink(t, version, setup{})
		stranger := good.session(t)
		defer stranger.Close()
		other := newLink(t, version, setup{clientRoot: "other-ca"})
		l := &link{version: version, client: other.client, server: good.server}
		perSite(t, func(op func(string)) (err, wrong error) {
			return refuses(side{l: l, offer: stranger, op: op})()
		})
	})
}
