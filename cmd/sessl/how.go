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

// howServer returns how a server's connection was resumed, and the id of its session. It is for
// after the handshake.
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
	id = hex.EncodeToString(b)
	switch st := c.ConnectionState(); {
	case !st.DidResume:
		return howNone, id, nil
	case st.Version < ssl.VersionTLS13 && c.ReuseState() == ssl.ReusedID:
		return howID, id, nil
	}
	return howTicket, id, nil
}
