package contender

import "net"

// bare makes connections without TLS: what package net costs by itself.
func bare(*Options) (Library, error) { return without{}, nil }

type without struct{}

func (without) Server(raw net.Conn) (net.Conn, error)      { return raw, nil }
func (without) NewClient() (Client, error)                 { return without{}, nil }
func (without) Dial(addr string, _ bool) (net.Conn, error) { return net.Dial("tcp", addr) }
func (without) Resumed(net.Conn) (bool, error)             { return false, nil }
func (without) State(net.Conn) State                       { return State{} }
