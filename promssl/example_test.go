package promssl_test

import (
	"fmt"
	"log"

	"github.com/prometheus/client_golang/prometheus"

	"sessl/promssl"
	"sessl/ssl"
)

func ExampleNewCollector() {
	ctx, err := ssl.NewClientCtx(&ssl.Config{ServerName: "localhost"})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	registry := prometheus.NewRegistry()
	collector, err := promssl.NewCollector(map[string]*ssl.Ctx{"backend": ctx})
	if err != nil {
		log.Fatal(err)
	}
	if err := registry.Register(collector); err != nil {
		log.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "ssl_handshake_failures_total" {
			fmt.Println(f.GetHelp())
		}
	}
	// Output: Handshakes that failed.
}

func ExampleNewProcessCollector() {
	registry := prometheus.NewRegistry()
	fmt.Println(registry.Register(promssl.NewProcessCollector()))
	// Output: <nil>
}
