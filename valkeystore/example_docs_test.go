package valkeystore_test

import (
	"expvar"
	"log"

	"sessl/ssl"
	"sessl/valkeystore"
)

// The code of docs/fleet.md. It is compiled, and not run.
func Example_fleet() {
	var cfg ssl.Config
	seal, err := ssl.LoadSealKeys("/etc/shop/seal.key")
	if err != nil {
		log.Fatal(err)
	}
	vk, err := valkeystore.Open("valkeys://fleet@db1:6379/shop", &valkeystore.Options{SealKeys: seal})
	if err != nil {
		log.Fatal(err)
	}
	cfg.TicketKeys, cfg.SessionIDContext = vk.TicketKeys(), []byte("shop")
	expvar.Publish("fleet", vk.StatsVar()) // all of Stats in JSON
}

func Example_neighbours() {
	var o valkeystore.Options
	o.KeyFiles = valkeystore.KeyFiles{
		Nginx:   [3]string{"/run/keys/current", "/run/keys/next", "/run/keys/old"},
		Command: []string{"nginx", "-s", "reload"},
		HAProxy: "/run/keys/haproxy",
	}
	o.HAProxySocket = "/run/haproxy/admin.sock"
}
