package ssl_test

import (
	"fmt"
	"log"
	"os"

	"sessl/ssl"
)

// A server that fetches a new OCSP response now and then has it sent from there on, in the
// Ctx that is in use.
func ExampleCertificate_SetOCSPStaple() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()

	fetched, err := os.ReadFile("../testdata/certs/server-ecdsa.ocsp")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cert.SetOCSPStaple(fetched))
	fmt.Println(cert.SetOCSPStaple(fetched[1:]) != nil) // what is no answer about cert changes nothing
	// Output:
	// <nil>
	// true
}
