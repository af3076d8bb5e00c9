package debugpage

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"sessl/ssl"
)

// resumption is the document whose rows the page links to. Each anchor that is used here is there.
const resumption = "resumption.md"

// A docLink is a row of a document. URL is empty if it is not known where the documents are.
type docLink struct{ URL, Name string }

func (p *Page) link(anchor string) docLink {
	l := docLink{Name: "docs/" + resumption + "#" + anchor}
	if p.docs != "" {
		l.URL = p.docs + resumption + "#" + anchor
	}
	return l
}

// stateAnchor is the row of an outcome: its label with "state-" before it.
func stateAnchor(r ssl.ReuseState) string {
	label, _ := r.MarshalText() // never fails
	return "state-" + strings.ReplaceAll(string(label), "_", "-")
}

// states says where to look if there are more of an outcome than there should be, as the document does.
var states = map[ssl.ReuseState]string{
	ssl.ReuseNoSession: "the first connection; a server that issues none, such as one without a " +
		"current ticket key (TicketKeyStats.Withheld); a client that closes before it has read",
	ssl.ReuseExpired:      "SessionTimeout of the server",
	ssl.ReuseNotResumable: "errors of earlier connections",
	ssl.ReuseOtherConfig:  "more than one Ctx for one purpose",
	ssl.ReuseDeclined:     "keys or cache of the server, several servers behind one name",
	ssl.ReuseUnknownID: "the client has made it up, as crypto/tls does on its first visit; or the " +
		"cache has lost the session",
}

// advice says what to do about a failure, by the anchor of its row in the document, which has the same words.
var advice = map[string]string{
	"fail-timeout": "look for peers that stall, packet filters and machines that are too busy; " +
		"HandshakeTimeout is the limit of a server, its context or Dialer that of a client",
	"fail-peer-gone": "harmless if few: port scanners and health checks end so; if many, the peer's " +
		"log has the reason",
	"fail-closed": "nothing, if the program was ending; otherwise look for a Close or a context that " +
		"comes too early",
	"fail-not-tls": "give clients the https address, or the port for TLS; after STARTTLS begin TLS " +
		"only when the server agrees",
	"fail-version": "update the peer, or lower MinVersion knowing what that means",
	"fail-no-common": "compare the suites, groups, signature schemes, types of key and of certificate of " +
		"both sides, and openssl.cnf",
	"fail-protocol": "let both sides name a common protocol in NextProtos, or none",
	"fail-name": "dial by a name that is in the certificate, or set ServerName; or get a certificate " +
		"with the name",
	"fail-time":    "renew the peer's certificate, and compare the clocks of both machines",
	"fail-revoked": "the peer needs a new certificate; if the list is out of date, get a new one",
	"fail-unknown-authority": "add the root to RootCAs or ClientCAs, and let the peer send its " +
		"intermediate certificates",
	"fail-certificate": "the text names the certificate and OpenSSL's reason; openssl verify gives the " +
		"same answer",
	"fail-raw-key": "if the key in the error is the peer's, add it to PeerRawPublicKeys of a new Ctx; " +
		"otherwise this is not the peer",
	"fail-type": "let CertificateTypes of the one and PeerCertificateTypes of the other have a type in " +
		"common",
	"fail-no-certificate": "give the client a certificate in Certificates, or ask for less in ClientAuth",
	"fail-peer-refused": "look into the peer's log: its roots, the names and times of our certificate, " +
		"and missing intermediates",
	"fail-peer-unknown-ca": "let the peer trust our root, and send the intermediates with our leaf",
	"fail-unknown-name":    "give the server a certificate for the name that the client asks for",
	"fail-peer-alert":      "look into the peer's log: it has the reason for its alert",
	"fail-psk":             "compare identity and key of both sides; the server must know the identity",
	"fail-session-trust": "nothing, if it happens once after a change of roots or names; the next " +
		"handshake is a full one",
	"fail-other": "the text is OpenSSL's or the application's own; bin/sessl probe shows the same " +
		"handshake step by step",
	"store-error": "the store's own message says why; clients get full handshakes meanwhile, and " +
		"nothing is lost",
	"guard-error": "the guard's own message says why; early data is rejected meanwhile, and clients " +
		"still resume",
	"keys-error": "the function's own message says why; clients with tickets of such keys get full " +
		"handshakes meanwhile",
}

// byAlert are the rows of alerts that peers send (RFC 8446, section 6).
var byAlert = map[uint8]string{
	40: "fail-no-common", 42: "fail-peer-refused", 43: "fail-peer-refused", 44: "fail-peer-refused",
	45: "fail-peer-refused", 46: "fail-peer-refused", 48: "fail-peer-unknown-ca", 49: "fail-peer-refused",
	51: "fail-peer-alert", 70: "fail-version", 71: "fail-no-common", 112: "fail-unknown-name", 115: "fail-psk",
	116: "fail-no-certificate", 120: "fail-protocol",
}

// byReason are the rows of OpenSSL's reasons. The first that fits counts.
var byReason = []struct{ reason, row string }{
	{"http request", "fail-not-tls"}, {"https proxy request", "fail-not-tls"},
	{"wrong version number", "fail-not-tls"},
	{"packet length too long", "fail-not-tls"}, {"unsupported protocol", "fail-version"},
	{"no protocols available", "fail-version"}, {"no shared", "fail-no-common"},
	{"no suitable", "fail-no-common"},
	{"no cipher match", "fail-no-common"}, {"no application protocol", "fail-protocol"},
	{"peer did not return a certificate", "fail-no-certificate"}, {"unexpected eof", "fail-peer-gone"},
}

// byCode are the rows of X509_V_ERR_*.
var byCode = map[int]string{
	2: "fail-unknown-authority", 18: "fail-unknown-authority", 19: "fail-unknown-authority",
	20: "fail-unknown-authority", 21: "fail-unknown-authority", 9: "fail-time", 10: "fail-time",
	12: "fail-revoked", 23: "fail-revoked",
}

// reason returns the row for a failed handshake.
func reason(err error) string {
	var verify *ssl.VerificationError
	var own *ssl.Error
	if errors.Is(err, ssl.ErrCertificateType) {
		return "fail-type"
	}
	if errors.As(err, &verify) {
		if verify.PeerRawPublicKey != nil {
			return "fail-raw-key"
		}
		if row := byCode[verify.Code]; row != "" && verify.Host == "" {
			return row
		}
		if verify.Host != "" {
			return "fail-name"
		}
		return "fail-certificate"
	}
	if errors.As(err, &own) {
		if alert, ok := own.Alert(); ok {
			if row := byAlert[alert]; row != "" {
				return row
			}
			return "fail-peer-alert"
		}
		for _, entry := range own.Entries {
			for _, r := range byReason {
				if strings.Contains(entry.Reason, r.reason) {
					return r.row
				}
			}
		}
	}
	for _, r := range []struct {
		row string
		is  []error
	}{
		{"fail-timeout", []error{ssl.ErrHandshakeTimeout, os.ErrDeadlineExceeded, context.DeadlineExceeded}},
		{"fail-psk", []error{ssl.ErrPSKDeclined}},
		{"fail-session-trust", []error{ssl.ErrUnverified}},
		{"fail-closed", []error{net.ErrClosed, context.Canceled}},
		{"fail-peer-gone", []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe,
			syscall.ECONNRESET, syscall.EPIPE}},
	} {
		for _, target := range r.is {
			if errors.Is(err, target) {
				return r.row
			}
		}
	}
	return "fail-other"
}
