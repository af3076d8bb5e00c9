package main

import (
	"encoding/hex"

	"sessl/ssl"
)

// The ways to resume a session, as all output calls them.
const (
	howNone   = "none"   // a full handshake
	howID     = "id"     // TLS 1.2, the server found the session id in its cache
	howTicket = "ticket" // the client had a ticket, which it always has in TLS 1.3
)

// howClient returns how a client's connection was resumed with the session that it offered.
func howClient(st ssl.ConnectionState, offered *ssl.Session) string {
	switch ticket, _ := offered.HasTicket(); {
	case !st.DidResume:
		return howNone
	case ticket || st.Version >= ssl.VersionTLS13:
		return howTicket
	}
	return howID
}

// seen marks the sessions that this server has made. The mark stays with the object in the
// cache, which is the object that an id leads to. A ticket is decoded into a new object,
// without the mark.
var seen = ssl.NewSessionIndex()

// howServer returns how a server's connection was resumed, and the id of its session. It must
// be called once for each connection, after the handshake.
func howServer(c *ssl.Conn) (how, id string, err error) {
	s, err := c.Session()
	if err != nil {
		return "", "", err
	}
	defer s.Close()
	b, err := s.ID()
	if err != nil {
		return "", "", err
	}
	mark, err := s.ExData(seen)
	if err != nil {
		return "", "", err
	}
	id = hex.EncodeToString(b)
	switch st := c.ConnectionState(); {
	case !st.DidResume:
		return howNone, id, s.SetExData(seen, true)
	case st.Version >= ssl.VersionTLS13:
		return howTicket, id, nil
	case mark != nil:
		return howID, id, nil
	}
	return howTicket, id, nil
}
