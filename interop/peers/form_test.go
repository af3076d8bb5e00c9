package peers

import "sessl/ssl"

// A form is one way in which a server lets its clients resume.
type form struct {
	name    string
	version uint16
	tickets bool // sessions travel in tickets
	cache   bool // sessions stay with the server
}

var (
	id12       = form{"TLS 1.2 id", ssl.VersionTLS12, false, true}
	ticket12   = form{"TLS 1.2 ticket", ssl.VersionTLS12, true, false}
	none12     = form{"TLS 1.2 off", ssl.VersionTLS12, false, false}
	stateful13 = form{"TLS 1.3 stateful", ssl.VersionTLS13, false, true}
	ticket13   = form{"TLS 1.3 ticket", ssl.VersionTLS13, true, false}
	none13     = form{"TLS 1.3 off", ssl.VersionTLS13, false, false}
)

// resumes reports whether connections after the first one resume.
func (f form) resumes() bool { return f.tickets || f.cache }

// number returns the version as programs write it.
func (f form) number() string {
	if f.version == ssl.VersionTLS12 {
		return "1.2"
	}
	return "1.3"
}

// onOff returns b in the form that the scripts take.
func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
