package ssl_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A server takes up a renewed certificate, as on SIGHUP, and keeps the old one where the new
// one is no good.
func ExampleReloadableCertificates() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	files := ssl.CertificateFiles{CertFile: filepath.Join(dir, "cert.pem"),
		KeyFile: filepath.Join(dir, "key.pem")}
	renew := func(cert, key string) {
		for from, to := range map[string]string{cert: files.CertFile, key: files.KeyFile} {
			b, err := os.ReadFile(ssltest.CertFile(from))
			if err != nil {
				log.Fatal(err)
			}
			if err := os.WriteFile(to, b, 0o600); err != nil {
				log.Fatal(err)
			}
		}
	}
	renew("a-test.pem", "a-test.key")

	certs, err := ssl.LoadReloadableCertificates(files)
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{ReloadableCertificates: certs})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()

	renew("b-test.pem", "a-test.key")
	fmt.Println("reloaded:", certs.Reload() == nil, certs.Certificates()[0].Leaf().DNSNames)
	renew("b-test.pem", "b-test.key")
	fmt.Println("reloaded:", certs.Reload() == nil, certs.Certificates()[0].Leaf().DNSNames)
	// Output:
	// reloaded: false [a.test]
	// reloaded: true [b.test]
}
