// Package valkeystore lets servers of package ssl share what makes clients resume on any machine,
// through a Valkey or Redis (7.0 or later) database: alone, behind Sentinel, or a cluster.
//
//	vk, err := valkeystore.Open("valkeys://fleet@db1:6379/shop", &valkeystore.Options{SealKeys: seal})
//	...
//	cfg.TicketKeys = vk.TicketKeys()
//
// What is kept in the database is sealed with keys that the database does not have. If the database is
// slow, wrong or away, the machines go on with what they have, and no client sees an error.
//
// It is a module of its own, so that the core needs no other module.
package valkeystore
