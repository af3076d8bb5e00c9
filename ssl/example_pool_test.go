package ssl_test

import (
	"fmt"
	"log"
	"os"

	"sessl/ssl"
)

// A bundle with a damaged certificate is good for all others in it.
func ExampleCertPool_Skipped() {
	bundle, err := os.ReadFile("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	bundle = append(bundle, "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n"...)
	roots := ssl.NewCertPool()
	if err := roots.AppendCerts(bundle); err != nil {
		log.Fatal(err) // nothing in it can be used
	}
	for _, err := range roots.Skipped() {
		fmt.Println("skipped:", err)
	}
	// Output: skipped: certificate 2: malformed input: damaged PEM block
}
