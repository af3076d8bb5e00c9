package httpssl

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
)

// protocols is what is spoken.
type protocols struct{ http1, http2 bool }

const protoH2 = "h2"

// check is why nothing can be said on a connection that negotiated proto. Without ALPN it
// is HTTP/1.1, as everywhere.
func (p protocols) check(proto string) error {
	ok := false
	switch proto {
	case "", "http/1.1", "http/1.0":
		ok = p.http1
	case protoH2:
		ok = p.http2
	}
	if !ok {
		return fmt.Errorf("httpssl: negotiated protocol %q is not spoken here", proto)
	}
	return nil
}

// of is what is to be negotiated of a Ctx's protocols, and whether that differs. Those that are
// not HTTP's stay: a Ctx has them for a reason.
func (p protocols) of(protos []string) (own []string, differ bool) {
	own = slices.DeleteFunc(slices.Clone(protos), func(proto string) bool {
		return proto == protoH2 && !p.http2 || proto == "http/1.1" && !p.http1
	})
	if len(own) == 0 && len(protos) > 0 && p.http1 {
		own = []string{"http/1.1"} // to those who would speak h2 or this, silence says no
	}
	return own, len(own) != len(protos) || len(own) > 0 && own[0] != protos[0]
}

// clientSpeaksH2 reports whether net/http's clients speak HTTP/2, which GODEBUG=http2client=0 and
// the build tag nethttpomithttp2 turn off. It asks a transport that would.
func clientSpeaksH2() bool {
	tr := http.Transport{ForceAttemptHTTP2: true}
	tr.CloseIdleConnections()
	return tr.TLSNextProto[protoH2] != nil
}

// serverSpeaksH2 is the same for servers, GODEBUG=http2server=0 and the tag.
func serverSpeaksH2() bool {
	var srv http.Server
	srv.Serve(noListener{})
	return srv.TLSNextProto[protoH2] != nil
}

// noListener has no connections.
type noListener struct{}

var errNoListener = errors.New("httpssl: no listener")

func (noListener) Accept() (net.Conn, error) { return nil, errNoListener }
func (noListener) Close() error              { return nil }
func (noListener) Addr() net.Addr            { return &net.TCPAddr{} }
