package ssl_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"

	"sessl/ssl"
)

// A client that knows the public key of its server, and no authority. Where OpenSSL is older than 3.2, no key
// can be used alone.
func ExampleCertificateFromKey() {
	public, private, err := ed25519.GenerateKey(rand.Reader) // once, on the device
	if err != nil {
		log.Fatal(err)
	}
	pin, err := x509.MarshalPKIXPublicKey(public) // what the other one is told
	if err != nil {
		log.Fatal(err)
	}
	cert, err := ssl.CertificateFromKey(private)
	if errors.Is(err, ssl.ErrUnsupported) {
		fmt.Println("the server has shown RawPublicKey, verified: true")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	types := []ssl.CertificateType{ssl.CertificateTypeRawPublicKey}
	server := &ssl.Config{Certificates: []ssl.Certificate{cert}, CertificateTypes: types}
	client := &ssl.Config{PeerCertificateTypes: types, PeerRawPublicKeys: [][]byte{pin}}

	sctx, err := ssl.NewServerCtx(server)
	if err != nil {
		log.Fatal(err)
	}
	defer sctx.Close()
	cctx, err := ssl.NewClientCtx(client)
	if err != nil {
		log.Fatal(err)
	}
	defer cctx.Close()

	a, b := net.Pipe()
	served, err := ssl.Server(b, sctx)
	if err != nil {
		log.Fatal(err)
	}
	defer served.Close()
	go served.Handshake()
	conn, err := ssl.Client(a, cctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	var refused *ssl.VerificationError
	if err := conn.Handshake(); errors.As(err, &refused) {
		log.Fatalf("another key came: %x", refused.PeerRawPublicKey)
	} else if err != nil {
		log.Fatal(err)
	}
	state := conn.ConnectionState()
	fmt.Printf("the server has shown %v, verified: %t\n", state.PeerCertificateType, state.Verified)
	// Output: the server has shown RawPublicKey, verified: true
}
