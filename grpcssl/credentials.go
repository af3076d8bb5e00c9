package grpcssl

import (
	"fmt"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc/credentials"

	"sessl/ssl"
)

const protoH2 = "h2"

// Credentials is a credentials.TransportCredentials over a Ctx of package ssl, either a
// client's or a server's. It may be used from several goroutines at once.
type Credentials struct {
	ctx      *ssl.Ctx
	own      bool                   // ctx was made here
	sessions ssl.ClientSessionCache // nil for the Ctx's own
	override atomic.Pointer[string] // of the Ctx's ServerName, if not nil
}

var _ credentials.TransportCredentials = (*Credentials)(nil)

// NewClientCredentials returns credentials for grpc.WithTransportCredentials. It makes a Ctx
// from a copy of cfg, which may be nil for the zero Config; if NextProtos of the copy lacks h2,
// h2 is put in front. The caller must Close the credentials after the last connection has been
// made.
//
// The server must prove that it is the authority of the channel, which is the host that the
// channel dials, unless cfg has a ServerName or grpc.WithAuthority names another.
func NewClientCredentials(cfg *ssl.Config, opts ...ClientOption) (*Credentials, error) {
	ctx, err := ssl.NewClientCtx(withH2(cfg))
	if err != nil {
		return nil, err
	}
	c := &Credentials{ctx: ctx, own: true}
	c.apply(opts)
	return c, nil
}

// NewServerCredentials returns credentials for grpc.Creds. It makes a Ctx from a copy of cfg;
// if NextProtos of the copy lacks h2, h2 is put in front. A Ctx that cfg.GetConfigForClient
// chooses is used unchanged, so it must have h2. The caller must Close the credentials after
// the last connection has been accepted.
func NewServerCredentials(cfg *ssl.Config) (*Credentials, error) {
	if cfg == nil {
		return nil, fail("NewServerCredentials", ssl.ErrNil)
	}
	ctx, err := ssl.NewServerCtx(withH2(cfg))
	if err != nil {
		return nil, err
	}
	return &Credentials{ctx: ctx, own: true}, nil
}

// NewClientCredentialsFromCtx is NewClientCredentials with a client's Ctx, which may have other
// users too. The Ctx stays the caller's, who must keep it open. It must have h2 among its
// NextProtos, because a Ctx is immutable.
func NewClientCredentialsFromCtx(ctx *ssl.Ctx, opts ...ClientOption) (*Credentials, error) {
	c, err := fromCtx("NewClientCredentialsFromCtx", ctx, false)
	if err != nil {
		return nil, err
	}
	c.apply(opts)
	return c, nil
}

// NewServerCredentialsFromCtx is NewServerCredentials with a server's Ctx, which may have other
// users too. The Ctx stays the caller's, who must keep it open. It must have h2 among its
// NextProtos, because a Ctx is immutable.
func NewServerCredentialsFromCtx(ctx *ssl.Ctx) (*Credentials, error) {
	return fromCtx("NewServerCredentialsFromCtx", ctx, true)
}

func fromCtx(op string, ctx *ssl.Ctx, server bool) (*Credentials, error) {
	switch {
	case ctx == nil:
		return nil, fail(op, ssl.ErrNil)
	case ctx.IsServer() && !server:
		return nil, fail(op, fmt.Errorf("the Ctx is a server's, and a client's is needed: %w", ssl.ErrServer))
	case !ctx.IsServer() && server:
		return nil, fail(op, fmt.Errorf("the Ctx is a client's, and a server's is needed: %w", ssl.ErrClient))
	case !slices.Contains(ctx.NextProtos(), protoH2):
		return nil, fail(op, fmt.Errorf("%w: NextProtos %q of the Ctx lack %q, which gRPC needs",
			ssl.ErrConfig, ctx.NextProtos(), protoH2))
	}
	return &Credentials{ctx: ctx}, nil
}

// withH2 returns a copy of cfg with h2 among its protocols. h2 goes in front, because a
// server's order decides and gRPC speaks no other protocol.
func withH2(cfg *ssl.Config) *ssl.Config {
	var c ssl.Config
	if cfg != nil {
		c = *cfg
	}
	if !slices.Contains(c.NextProtos, protoH2) {
		c.NextProtos = append([]string{protoH2}, c.NextProtos...)
	}
	return &c
}

// Close frees the Ctx that was made from a Config, for all Clones too; a Ctx that the caller
// gave stays open. Open connections go on, and new handshakes fail with ssl.ErrClosed. Later
// calls do nothing.
func (c *Credentials) Close() error {
	if c == nil || !c.own {
		return nil
	}
	return c.ctx.Close()
}

// Ctx returns the Ctx of the credentials, for its Stats, LastFailures and debug pages. Close closes it if
// it was made from a Config. It is nil for nil or zero Credentials.
func (c *Credentials) Ctx() *ssl.Ctx {
	if c == nil {
		return nil
	}
	return c.ctx
}

// Clone returns independent credentials with the same Ctx, which is immutable: a change of the
// server name in one does not affect the other.
func (c *Credentials) Clone() credentials.TransportCredentials {
	if c == nil {
		return (*Credentials)(nil)
	}
	clone := &Credentials{ctx: c.ctx, own: c.own, sessions: c.sessions}
	clone.override.Store(c.override.Load())
	return clone
}

func fail(op string, err error) error {
	return &ssl.Error{Op: "grpcssl." + op, Err: err}
}
