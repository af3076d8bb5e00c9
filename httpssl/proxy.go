package httpssl

import (
	"net/http"
	"net/url"
	"time"
)

// defaultTransport returns a copy of http.DefaultTransport, or, if a program has replaced that,
// a transport with its original settings.
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

// refuseProxy returns an error if r must go through a proxy: a way around a proxy that the
// environment prescribes would be wrong. Requests for http go through it, by net/http.
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

// plainProxy returns proxy for http URLs alone: refuseProxy has looked at requests for https.
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
