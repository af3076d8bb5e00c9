package httpssl

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
)

// protocols says which protocols are spoken.
type protocols struct{ http1, http2 bool }

const protoH2 = "h2"

// check returns an error if proto was negotiated and is not spoken. Without ALPN the protocol
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

// of returns the protocols to negotiate out of a Ctx's protocols, and whether the two differ.
// Protocols other than HTTP's stay: a Ctx has them for a reason.
func (p protocols) of(protos []string) (own []string, differ bool) {
	own = slices.DeleteFunc(slices.Clone(protos), func(proto string) bool {
		return proto == protoH2 && !p.http2 || proto == "http/1.1" && !p.http1
	})
	if len(own) == 0 && len(protos) > 0 && p.http1 {
		own = []string{"http/1.1"} // without ALPN, peers that speak h2 and this would be refused
	}
	return own, len(own) != len(protos) || len(own) > 0 && own[0] != protos[0]
}

// clientSpeaksH2 reports whether net/http's clients speak HTTP/2, which GODEBUG=http2client=0
// and the build tag nethttpomithttp2 turn off. It looks at a transport that would speak it.
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
