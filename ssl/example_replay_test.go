package ssl_test

import (
	"errors"
	"fmt"
	"log"
	"time"

	"sessl/ssl"
)

// Two Ctxs of one process with the same ticket keys: what one has accepted the other does not.
// Several processes need a guard that all of them ask, such as a database.
func ExampleNewReplayGuard() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	tickets, err := ssl.NewTicketKeys(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tickets.Close()
	cfg := &ssl.Config{Certificates: []ssl.Certificate{cert}, TicketKeys: tickets, MaxEarlyData: 4096}
	// Without a ReplayGuard each server with the keys would accept the same early data again.
	fmt.Println(errors.Is(cfg.CheckServer(), ssl.ErrConfig))

	if cfg.ReplayGuard, err = ssl.NewReplayGuard(0); err != nil {
		log.Fatal(err)
	}
	cfg.ReplayGuardTimeout = 20 * time.Millisecond // for a database that is near
	fmt.Println(cfg.CheckServer())
	// Output:
	// true
	// <nil>
}
