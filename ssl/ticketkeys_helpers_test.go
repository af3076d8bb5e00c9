package ssl_test

import (
	"encoding/asn1"
	"net"
	"testing"
)

// loopback is tcpPipe without cleanups, for loops and for goroutines: the Conns over it close
// their ends.
func loopback() (client, server net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if server, err = l.Accept(); err != nil {
		client.Close()
	}
	return client, server, err
}

// replaceTicket puts a ticket in the place of the one in der: the element [10].
func replaceTicket(t testing.TB, der, ticket []byte) []byte {
	t.Helper()
	encode := func(v asn1.RawValue) []byte {
		b, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var whole, element asn1.RawValue
	if _, err := asn1.Unmarshal(der, &whole); err != nil {
		t.Fatal(err)
	}
	var body []byte
	found := false
	for rest := whole.Bytes; len(rest) > 0; {
		var err error
		if rest, err = asn1.Unmarshal(rest, &element); err != nil {
			t.Fatal(err)
		}
		one := element.FullBytes
		if element.Class == asn1.ClassContextSpecific && element.Tag == 10 {
			found = true
			octets := encode(asn1.RawValue{Tag: asn1.TagOctetString, Bytes: ticket})
			one = encode(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 10, IsCompound: true, Bytes: octets})
		}
		body = append(body, one...)
	}
	if !found {
		t.Fatal("the session has no ticket")
	}
	return encode(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
}
