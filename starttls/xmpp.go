package starttls

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	xmppStreams = "http://etherx.jabber.org/streams"
	xmppTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
)

// askXMPP opens a stream, looks for starttls in its features, and asks for it.
func askXMPP(t *talk, host string) error {
	var to strings.Builder
	if err := xml.EscapeText(&to, []byte(host)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(t.w, "<?xml version='1.0'?><stream:stream to='%s' version='1.0' "+
		"xmlns='jabber:client' xmlns:stream='%s'>", to.String(), xmppStreams); err != nil {
		return err
	}
	d := xml.NewDecoder(t.r.R) // reads byte by byte, because t.r.R is an io.ByteReader
	stream, err := t.element(d, "stream")
	if err != nil {
		return err
	}
	if stream.Name != (xml.Name{Space: xmppStreams, Local: "stream"}) {
		return refused("stream", stream.Name.Local)
	}
	offered, err := t.offers(d)
	if err != nil {
		return err
	}
	if !offered {
		return refused("features", "no starttls")
	}
	if _, err := io.WriteString(t.w, "<starttls xmlns='"+xmppTLS+"'/>"); err != nil {
		return err
	}
	answer, err := t.element(d, "starttls")
	if err != nil {
		return err
	}
	if answer.Name != (xml.Name{Space: xmppTLS, Local: "proceed"}) {
		return refused("starttls", answer.Name.Local)
	}
	return t.notXML("starttls", d.Skip()) // to the end of the element
}

// notXML is the error of a step in which the decoder failed: the connection's, or in quotes what the decoder
// says of the server's text, of which it repeats names as they are and as long as they are.
func (t *talk) notXML(step string, err error) error {
	switch {
	case err == nil:
		return nil
	case t.in.failed != nil:
		return at(step, t.in.failed)
	}
	return fmt.Errorf("%s: not XMPP: %.*q", step, enough, err.Error())
}

// element returns the next one that begins. Space and declarations may stand before it.
func (t *talk) element(d *xml.Decoder, step string) (xml.StartElement, error) {
	for {
		token, err := d.Token()
		if err != nil {
			return xml.StartElement{}, t.notXML(step, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			return token, nil
		case xml.EndElement, xml.Directive:
			return xml.StartElement{}, at(step, errors.New("not a stream of XMPP"))
		}
	}
}

// offers reads the features of a stream, and says whether starttls is one.
func (t *talk) offers(d *xml.Decoder) (bool, error) {
	features, err := t.element(d, "features")
	if err != nil {
		return false, err
	}
	if features.Name != (xml.Name{Space: xmppStreams, Local: "features"}) {
		return false, refused("features", features.Name.Local)
	}
	var offers struct {
		StartTLS *struct{} `xml:"urn:ietf:params:xml:ns:xmpp-tls starttls"`
	}
	if err := d.DecodeElement(&offers, &features); err != nil {
		return false, t.notXML("features", err)
	}
	return offers.StartTLS != nil, nil
}
