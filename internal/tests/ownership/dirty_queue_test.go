package ownership_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// What others leave in a thread's error queue is not taken for the reason of our own
// failures, does not make a success fail, and is gone afterwards: each call does it on a
// thread whose queue is not empty.
func TestErrorsOfOthers(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		offer := ssltest.Session(t, cli, srv)
		p := ssltest.NewTCPPair(t, cli, srv)
		ctx := ssltest.NewServerCtx(t, srv)
		on := func(op string, do func() error) {
			t.Helper()
			cshim.LeaveErrorBehind()
			err := do()
			var e *ssl.Error
			if errors.As(err, &e) && len(e.Entries) > 0 && strings.Contains(e.Entries[0].Reason, "context") {
				t.Errorf("%s: blamed on another's error: %v", op, err)
			}
			if err != nil && !strings.HasPrefix(op, "bad ") || err == nil && strings.HasPrefix(op, "bad ") {
				t.Errorf("%s: %v", op, err)
			}
			if code := cshim.PeekError(); code != 0 {
				t.Errorf("%s: left error %#x in the queue", op, code)
				cshim.ClearErrors()
			}
		}
		on("NewSession", func() error { return closeGot(ssl.NewSession()) })
		on("Dup", func() error { return closeGot(offer.Dup()) })
		on("MarshalBinary", func() error { _, err := offer.MarshalBinary(); return err })
		on("MarshalPEM", func() error { _, err := offer.MarshalPEM(); return err })
		on("bad ParseSession", func() error { return closeGot(ssl.ParseSession([]byte("no DER"))) })
		on("bad ParseSessionPEM", func() error { return closeGot(ssl.ParseSessionPEM([]byte("no PEM"))) })
		on("bad X509KeyPair", func() error {
			_, err := ssl.X509KeyPair(ssltest.ReadFile(t, "ca.pem"), ssltest.ReadFile(t, "client.key"))
			return err
		})
		on("PeerCertificate", func() error { _, err := offer.PeerCertificate(); return err })
		on("FlushSessions", func() error { return ctx.FlushSessions(time.Now()) })
		on("SetSession", func() error { return p.Client.SetSession(offer) })
		served := make(chan error)
		go func() {
			err := p.Server.Handshake()
			if err == nil {
				err = ssltest.EchoOnce(p.Server)
			}
			served <- err
		}()
		on("Handshake", p.Client.Handshake)
		on("Write", func() error { _, err := p.Client.Write([]byte("ping")); return err })
		on("Read", func() error { _, err := p.Client.Read(make([]byte, 4)); return err })
		if err := <-served; err != nil {
			t.Error(err)
		}
		on("CloseWrite", p.Client.CloseWrite)
		on("Close", p.Client.Close)
	})
}

// A thread's queue is empty after a handshake that failed.
func TestFailedHandshakeLeavesNoErrors(t *testing.T) {
	leakcheck.Test(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cli := ssltest.ClientConfig(t)
	cli.RootCAs = ssltest.Roots(t, "other-ca")
	p := ssltest.NewTCPPair(t, cli, ssltest.ServerConfig(t))
	go p.Server.Handshake()
	cshim.LeaveErrorBehind()
	if err := p.Client.Handshake(); ssltest.VerifyCode(err) != ssltest.NoIssuer {
		t.Errorf("%v", err)
	}
	if code := cshim.PeekError(); code != 0 {
		t.Errorf("error %#x is left in the queue", code)
	}
}
