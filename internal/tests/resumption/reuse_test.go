package resumption_test

import (
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Each form of reuse, and both ends say so.
func TestEveryFormResumes(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		for i := range 4 {
			var offer *ssl.Session
			if i > 0 {
				offer = got.Last(t)
			}
			c := ssltest.Dial(t, s, ctx, offer)
			if c.SessionReused() != (i > 0) || s.LastReused() != (i > 0) {
				t.Errorf("connection %d: reused is %t here and %t at the server", i, c.SessionReused(), s.LastReused())
			}
			if v := c.ConnectionState().Version; v != fm.Version {
				t.Errorf("connection %d: version %s", i, ssl.VersionName(v))
			}
			c.Close()
		}
	})
}
