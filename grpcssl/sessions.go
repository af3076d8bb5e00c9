package grpcssl

import "sessl/ssl"

// A ClientOption changes a client's credentials.
type ClientOption func(*Credentials)

// WithSessionCache makes a client keep its sessions in cache, which may have other users too,
// instead of in the cache of its Ctx. With ssl.NoSessionCache the client does not resume.
func WithSessionCache(cache ssl.ClientSessionCache) ClientOption {
	return func(c *Credentials) { c.sessions = cache }
}

func (c *Credentials) apply(opts []ClientOption) {
	for _, opt := range opts {
		if opt != nil {
			opt(c)
		}
	}
}
