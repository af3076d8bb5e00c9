// Package fleetsim is a fleet on one thread: a clock that goes from event to event, a database, machines and
// clients. What machines do is not a model: package schedule agrees on ticket keys, package replay makes
// claims, and packages circuit and outbox stand between a machine and a database that fails, the same code as
// in a server. What is made up is around it: the network, the database, the clients and their habits, and
// whatever package ssl does, such as opening a ticket or looking into its own cache.
//
// A run is determined by its Config. All machines are simulated. Of the clients there is a sample, and what
// one of them costs the database counts as often as it has others to stand for.
package fleetsim
