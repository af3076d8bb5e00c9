package httpssl

import (
	"net/http"
	"net/url"
	"time"
)

// defaultTransport is a copy of http.DefaultTransport, or what that is at first where a program
// has put something else in its place.
func defaultTransport() *http.Transport {
	if tr, ok := http.DefaultTransport.(*http.Transport); ok {
		return tr.Clone()
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConns:          100,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// refuseProxy is why r is not sent: it belongs through a proxy, and a way around one that somebody
// has prescribed is none. Requests for http go through it, by net/http.
func (t *Transport) refuseProxy(r *http.Request) error {
	if t.proxy == nil || r.URL == nil || r.URL.Scheme != "https" {
		return nil
	}
	proxy, err := t.proxy(r)
	if err != nil || proxy == nil {
		return err
	}
	return badConfig("the environment (HTTPS_PROXY) wants the proxy %s for %s, and TLS through a proxy "+
		"is not supported", proxy.Host, r.URL.Host)
}

// plainProxy is proxy for http alone: requests for https have been looked at.
func plainProxy(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	if proxy == nil {
		return nil
	}
	return func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "https" {
			return nil, nil
		}
		return proxy(r)
	}
}
