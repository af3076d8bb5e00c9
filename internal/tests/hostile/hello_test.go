package hostile_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A client that is asked for a second ClientHello must not turn to another host, where
// more may be demanded of it, nor to another protocol. libssl would let it.
func TestSecondHelloForAnotherHostIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		second ssltest.RawHello
		ok     bool
	}{
		"same":             {ssltest.RawHello{Host: "a.test", Protocol: "x", Share: true}, true},
		"other host":       {ssltest.RawHello{Host: "b.test", Protocol: "x", Share: true}, false},
		"longer host":      {ssltest.RawHello{Host: "a.test.b.test", Protocol: "x", Share: true}, false},
		"no host":          {ssltest.RawHello{Host: "", Protocol: "x", Share: true}, false},
		"other protocol":   {ssltest.RawHello{Host: "a.test", Protocol: "y", Share: true}, false},
		"no more protocol": {ssltest.RawHello{Host: "a.test", Protocol: "", Share: true}, false},
	} {
		for _, swap := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				leakcheck.Test(t)
				srv := ssltest.ServerConfig(t)
				_, open, _ := ssltest.HostConfigs(t)
				chosen := ssltest.NewServerCtx(t, open)
				var asked atomic.Int32
				srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) {
					asked.Add(1)
					if swap {
						return chosen, nil
					}
					return nil, nil
				}
				client, done := ssltest.HelloServer(t, srv)
				client.Write(ssltest.RawHello{Host: "a.test", Protocol: "x", Share: false}.Record())
				if kind, body := ssltest.Record(t, client); kind != 22 || body[0] != 2 {
					t.Fatalf("the server answers with record %d, message %d, want a HelloRetryRequest", kind, body[0])
				}
				client.Write(tt.second.Record())
				kind, body := ssltest.Record(t, client)
				for kind == 20 { // the compatibility record
					kind, body = ssltest.Record(t, client)
				}
				if tt.ok {
					if kind != 22 || body[0] != 2 {
						t.Errorf("the server answers with record %d, want its hello", kind)
					}
					client.Close()
					<-done
				} else {
					if kind != 21 || body[1] != 47 {
						t.Errorf("the server answers with record %d (%x), want the alert illegal_parameter", kind, body)
					}
					if err := <-done; err == nil || !strings.Contains(err.Error(), "another host") {
						t.Errorf("server: %v", err)
					}
				}
				if asked.Load() != 1 {
					t.Errorf("GetConfigForClient was called %d times", asked.Load())
				}
			})
		}
	}
}

// Extensions that the client has garbled are left to libssl to refuse.
func TestGarbledHello(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) { return nil, nil }
	good := ssltest.RawHello{Host: "a.test", Protocol: "x", Share: true}.Record()
	for at := 5; at < len(good); at++ {
		bad := append([]byte(nil), good...)
		bad[at] ^= 0x55
		client, done := ssltest.HelloServer(t, srv)
		client.Write(bad)
		client.Close()
		if err := <-done; err == nil {
			t.Errorf("byte %d: the handshake succeeded", at)
		}
	}
}
