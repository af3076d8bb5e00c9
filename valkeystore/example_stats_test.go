package valkeystore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sessl/ssl"
	"sessl/valkeystore"
)

// exampleClient returns a Client without a database, which goes on connecting.
func exampleClient(o valkeystore.Options) (vk *valkeystore.Client, end func()) {
	seal, err := ssl.NewSealKeys([]byte("32 random bytes from a secret..."))
	if err != nil {
		panic(err)
	}
	o.SealKeys = seal
	if vk, err = valkeystore.Open("valkey://127.0.0.1:1/shop", &o); err != nil {
		panic(err)
	}
	return vk, func() {
		vk.Close(context.Background())
		seal.Close()
	}
}

// What a page for administrators can show of a fleet.
func ExampleClient_Stats() {
	vk, end := exampleClient(valkeystore.Options{})
	defer end()
	vk.TicketKeys()

	s := vk.Stats()
	fmt.Println("connected:", s.Connected)
	fmt.Println("ticket keys:", s.Schedule.State, "with", s.Schedule.Keys, "keys")
	// Output:
	// connected: false
	// ticket keys: starting with 0 keys
}

// Health is for a page of administrators. A machine whose database is away goes on serving, so that is no
// reason to take it out of service.
func ExampleClient_Health() {
	vk, end := exampleClient(valkeystore.Options{})
	defer end()

	err := vk.Health()
	switch {
	case errors.Is(err, valkeystore.ErrNotConnected):
		fmt.Println("the database has never answered")
	case errors.Is(err, valkeystore.ErrScheduleRefused):
		fmt.Println("another fleet has this namespace, or this machine has other seal keys")
	case err != nil:
		fmt.Println(err)
	}
	// Output: the database has never answered
}

// expvar.Publish("fleet", vk.StatsVar()) shows this at /debug/vars.
func ExampleStatsVar() {
	vk, end := exampleClient(valkeystore.Options{})
	v := vk.StatsVar()
	var s valkeystore.Stats
	if err := json.Unmarshal([]byte(v.String()), &s); err != nil {
		panic(err)
	}
	fmt.Println(s.Sessions.Waiting, "writes wait")
	end()
	fmt.Println("closed:", v)
	// Output:
	// 0 writes wait
	// closed: null
}

// promssl.NewSourceCollector makes collectors of this; another system of metrics can do the same.
func ExampleClient_Metrics() {
	vk, end := exampleClient(valkeystore.Options{})
	defer end()

	var source ssl.MetricSource = vk
	for _, m := range source.Metrics() {
		if m.Name == "fleet_claims_total" {
			fmt.Println(m.Name, m.Label, m.LabelValue, m.Value)
		}
	}
	// Output:
	// fleet_claims_total result first 0
	// fleet_claims_total result replayed 0
	// fleet_claims_total result here 0
	// fleet_claims_total result young 0
	// fleet_claims_total result policy 0
	// fleet_claims_total result clock 0
	// fleet_claims_total result unasked 0
	// fleet_claims_total result error 0
}

// A machine was taken over: all sessions and tickets of before are void on each machine within Options.Poll.
// An error says that they perhaps are not, and then it is to be called again.
func ExampleClient_RevokeAll() {
	vk, end := exampleClient(valkeystore.Options{})
	defer end()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := vk.RevokeAll(ctx); err != nil {
		fmt.Println("try again:", errors.Is(err, valkeystore.ErrNotConnected))
	}
	// Output: try again: true
}

// An nginx and a HAProxy on this machine get the fleet's ticket keys, and resume its sessions.
func ExampleKeyFiles() {
	vk, end := exampleClient(valkeystore.Options{
		KeyFiles: valkeystore.KeyFiles{
			Nginx:   [3]string{"/run/keys/current", "/run/keys/next", "/run/keys/old"},
			Command: []string{"nginx", "-s", "reload"},
			HAProxy: "/run/keys/haproxy",
		},
		HAProxySocket: "/run/haproxy/admin.sock",
	})
	defer end()

	// Nothing is written before there are keys. Afterwards Health has ErrNeighbours while they are not where
	// they should be.
	fmt.Println(vk.Stats().Neighbours.Files.Done, "sets written")
	// Output: 0 sets written
}
