package ssl_test

import (
	"testing"

	"sessl/ssl"
)

// C-05: each form of reuse, and both ends say so.
func TestC05_EveryFormResumes(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		got := newInbox(t, cli)
		s := startServer(t, srv)
		ctx := newClientCtx(t, cli)
		for i := range 4 {
			var offer *ssl.Session
			if i > 0 {
				offer = got.last(t)
			}
			c := dial(t, s, ctx, offer)
			if c.SessionReused() != (i > 0) || s.lastReused() != (i > 0) {
				t.Errorf("connection %d: reused is %t here and %t at the server", i, c.SessionReused(), s.lastReused())
			}
			if v := c.ConnectionState().Version; v != fm.version {
				t.Errorf("connection %d: version %s", i, ssl.VersionName(v))
			}
			c.Close()
		}
	})
}
