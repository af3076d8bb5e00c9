// Package contender is what the contenders of bench-compare that are written in Go have in
// common: their command line, the connections that they make, and what they report. Each
// contender is a program of its own. The one in C, in directory c, takes the same flags and
// reports the same line.
package contender

import (
	"crypto/tls"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// Options are the flags of a contender.
type Options struct {
	Role      string // both ends in this process, or one of them: server, client
	Addr      string // where a client finds the server
	Version   uint16 // 0 for no TLS
	Form      string
	Clients   int // at once
	N         int // units that are measured, of all clients together
	Transport string
	Mutual    bool
	Key       string // p256 or rsa2048
	Certs     string
	Pause     time.Duration // of a client between two connections
	Busy      time.Duration // of computing in Go after the connections that do not count
}

// The forms. The unit of the first five is a handshake with its TCP connection, a byte in each
// direction and the closing; that of bulk is a MiB, that of rtt a round trip, that of idle and
// stall a connection, and that of table a session.
const (
	Full       = "full"
	Ticket     = "ticket"     // the library's own ticket key
	TicketKeys = "ticketkeys" // ssl.TicketKeys
	ID         = "id"         // the library's own cache on the server
	Cache      = "cache"      // ssl.ServerSessionCache
	Bulk       = "bulk"       // writes of 16 KiB, from the client to the server
	RTT        = "rtt"        // of one byte
	Idle       = "idle"       // memory of a connection with a goroutine in Read
	Stall      = "stall"      // memory of a connection that has sent one byte of a ClientHello
	Table      = "table"      // a server's cache with N sessions
)

var forms = []string{Full, Ticket, TicketKeys, ID, Cache, Bulk, RTT, Idle, Stall, Table}

func parse() (*Options, error) {
	var o Options
	version, auth := "", ""
	pause, busy := 0, 0
	flag.StringVar(&o.Role, "role", "both", "both, server or client")
	flag.StringVar(&o.Addr, "addr", "", "of the server, for a client")
	flag.StringVar(&version, "version", "1.3", "1.2 or 1.3, or none for no TLS")
	flag.StringVar(&o.Form, "form", Ticket, fmt.Sprint(forms))
	flag.IntVar(&o.Clients, "clients", 1, "at once")
	flag.IntVar(&o.N, "n", 100, "units to measure, of all clients together")
	flag.StringVar(&o.Transport, "transport", "socket", "socket, or conn: a net.Conn that hides its socket")
	flag.StringVar(&auth, "auth", "none", "none or mutual")
	flag.StringVar(&o.Key, "key", "p256", "p256 or rsa2048, of the server's certificate")
	flag.StringVar(&o.Certs, "certs", "../testdata/certs", "directory of the certificates")
	flag.IntVar(&pause, "pause", 0, "microseconds between two connections of a client")
	flag.IntVar(&busy, "busy", 0, "milliseconds of computing in Go before what is measured")
	flag.Parse()
	o.Pause, o.Busy = time.Duration(pause)*time.Microsecond, time.Duration(busy)*time.Millisecond
	o.Mutual = auth == "mutual"
	known := false
	o.Version, known = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13, "none": 0}[version]
	switch {
	case !known:
		return nil, fmt.Errorf("version %q", version)
	case !slices.Contains(forms, o.Form):
		return nil, fmt.Errorf("form %q", o.Form)
	case o.Version == 0 && !slices.Contains([]string{Full, RTT, Idle}, o.Form):
		return nil, Unsupported("does not measure that without TLS")
	case !slices.Contains([]string{"both", "server", "client"}, o.Role):
		return nil, fmt.Errorf("role %q", o.Role)
	case o.Clients < 1 || o.N < o.Clients:
		return nil, fmt.Errorf("%d clients cannot share %d units", o.Clients, o.N)
	}
	o.N -= o.N % o.Clients
	return &o, nil
}

// warm is how many units each client does before those that are measured. The first handshake is
// always a full one.
func (o *Options) warm() int {
	if o.Clients == 1 {
		return 11
	}
	return 1
}

// Resumes reports whether all handshakes but a client's first are resumptions.
func (o *Options) Resumes() bool {
	return slices.Contains([]string{Ticket, TicketKeys, ID, Cache}, o.Form)
}

// Suites are the suites of the version: AES-128-GCM with SHA-256.
func (o *Options) Suites() []uint16 {
	if o.Version == tls.VersionTLS13 {
		return []uint16{tls.TLS_AES_128_GCM_SHA256}
	}
	return []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
}

// Groups has P-256 for the certificate only: in TLS 1.2 OpenSSL applies the list to the curves
// of keys too. The key exchange uses the first group.
var Groups = []tls.CurveID{tls.X25519, tls.CurveP256}

// Roots returns the path of the certificate that verifies all others.
func (o *Options) Roots() string { return filepath.Join(o.Certs, "ca.pem") }

// ServerCert returns the paths of the server's certificate and key.
func (o *Options) ServerCert() (cert, key string) {
	name := "server-ecdsa"
	if o.Key == "rsa2048" {
		name = "server-rsa"
	}
	return filepath.Join(o.Certs, name+".pem"), filepath.Join(o.Certs, name+".key")
}

// ClientCert returns the paths of the client's certificate and key, for mutual authentication.
func (o *Options) ClientCert() (cert, key string) {
	return filepath.Join(o.Certs, "client.pem"), filepath.Join(o.Certs, "client.key")
}
