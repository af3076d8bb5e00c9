package ssl_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A key that is encrypted on disk, with its password from where secrets are kept.
func ExampleLoadX509KeyPairWithPassword() {
	password := func() ([]byte, error) { return []byte("sessl-test"), nil } // wiped when it has been used
	cert, err := ssl.LoadX509KeyPairWithPassword(ssltest.CertFile("server-ecdsa.pem"),
		ssltest.CertFile("server-ecdsa.enc.key"), password)
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	fmt.Println(cert.Leaf().DNSNames)
	// Output: [localhost server.test *.wild.test]
}

// The same from PEM in memory; a wrong password is an error that can be told from others.
func ExampleX509KeyPairWithPassword() {
	cert, key := mustRead(ssltest.CertFile("server-ecdsa.pem")),
		mustRead(ssltest.CertFile("server-ecdsa.enc.key"))
	defer clear(key)
	for _, password := range []string{"a guess", "sessl-test"} {
		_, err := ssl.X509KeyPairWithPassword(cert, key, func() ([]byte, error) { return []byte(password), nil })
		fmt.Println(err == nil, errors.Is(err, ssl.ErrPassword))
	}
	// Output:
	// false true
	// true false
}

// The certificate and the key behind URIs. Where OpenSSL has a provider for PKCS#11, these
// could be "pkcs11:object=web;type=cert" and the like, and the function would return the PIN.
func ExampleLoadCertificateURI() {
	dir, err := filepath.Abs(ssltest.CertFile(""))
	if err != nil {
		log.Fatal(err)
	}
	cert, err := ssl.LoadCertificateURI("file:"+dir+"/server-ecdsa.pem", "file:"+dir+"/server-ecdsa.key", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cert.Leaf().DNSNames)
	// Output: [localhost server.test *.wild.test]
}

func mustRead(file string) []byte {
	b, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	return b
}
