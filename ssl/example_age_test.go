package ssl_test

import (
	"errors"
	"fmt"
	"log"
	"time"

	"sessl/ssl"
)

// A day after the client has shown its certificate it has to show it again, even if it has
// resumed every hour since.
func ExampleConfig_maxSessionAge() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	clients, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{
		Certificates:  []ssl.Certificate{cert},
		ClientAuth:    ssl.RequireAndVerifyClientCert,
		ClientCAs:     clients,
		MaxSessionAge: 24 * time.Hour,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()

	_, err = ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, MaxSessionAge: -1})
	fmt.Println(errors.Is(err, ssl.ErrConfig))
	// Output: true
}
