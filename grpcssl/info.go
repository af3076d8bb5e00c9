package grpcssl

//lint:file-ignore SA1019 gRPC has deprecated most of this interface, and still uses it

import (
	"net/netip"

	"google.golang.org/grpc/credentials"

	"sessl/ssl"
)

// Info describes the credentials. Its ServerName is the Ctx's, or the one of
// OverrideServerName; gRPC makes it the authority of a channel.
func (c *Credentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{
		ProtocolVersion:  "2", // of HTTP
		SecurityProtocol: "tls",
		SecurityVersion:  "1.2", // the lowest; peer.AuthInfo has that of a connection
		ServerName:       authority(c.serverName()),
	}
}

// serverName returns the name that a server must prove if gRPC does not name one.
func (c *Credentials) serverName() string {
	if c == nil || c.ctx.IsServer() {
		return ""
	}
	if name := c.override.Load(); name != nil {
		return *name
	}
	return c.ctx.ServerName()
}

// authority returns name in the form of an :authority header, which has brackets around IPv6
// addresses.
func authority(name string) string {
	if ip, err := netip.ParseAddr(name); err == nil && ip.Is6() {
		return "[" + name + "]"
	}
	return name
}

// OverrideServerName replaces the Ctx's ServerName by name, for channels that are made
// afterwards. The empty string means no name, so that the address decides.
//
// Deprecated: use grpc.WithAuthority, as gRPC says.
func (c *Credentials) OverrideServerName(name string) error {
	const op = "Credentials.OverrideServerName"
	if c == nil || c.ctx == nil {
		return fail(op, ssl.ErrNil)
	}
	if c.ctx.IsServer() {
		return fail(op, ssl.ErrServer)
	}
	c.override.Store(&name)
	return nil
}
