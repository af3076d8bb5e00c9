package grpcssl

//lint:file-ignore SA1019 gRPC has deprecated most of what it asks for here, and still uses it

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
		SecurityVersion:  "1.2", // the least; peer.AuthInfo has a connection's
		ServerName:       authority(c.serverName()),
	}
}

// serverName is what is demanded of a server if gRPC does not say.
func (c *Credentials) serverName() string {
	if c == nil || c.ctx.IsServer() {
		return ""
	}
	if name := c.override.Load(); name != nil {
		return *name
	}
	return c.ctx.ServerName()
}

// authority is a name in the form of an :authority header, which has brackets around
// addresses of IPv6.
func authority(name string) string {
	if ip, err := netip.ParseAddr(name); err == nil && ip.Is6() {
		return "[" + name + "]"
	}
	return name
}

// OverrideServerName takes name in the place of the Ctx's ServerName; the empty string
// means none, so that the address decides. It is for a channel that is made afterwards.
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
