package valkeystore

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// A location is what a URL says. It has the password, so it is never printed.
type location struct {
	tls            bool
	addrs          []string
	user, password string
	namespace      string
	master         string // the name that Sentinels know; empty without them
	db             int
}

// urlForm is what a URL looks like, for errors.
const urlForm = "valkeys://user:password@host:port/namespace"

const (
	defaultPort  = "6379"
	sentinelPort = "26379"
	maxNamespace = 64
	maxDB        = 1 << 15
)

// parseURL reads scheme://user:password@host:port/namespace. No error quotes the URL, because of the
// password in it.
func parseURL(text string) (at location, err error) {
	u, err := url.Parse(text)
	switch {
	case (err != nil || u.Opaque != "") && !strings.Contains(text, "://"):
		return at, configError("the URL has no scheme, or is not of the form %s", urlForm)
	case err != nil || u.User == nil && strings.Contains(u.Path+u.RawQuery+u.Fragment, "@"):
		return at, configError("the URL does not parse: want %s; in a user's name and password, "+
			"/ ? # %% @ : and spaces are written as %%2F %%3F %%23 %%25 %%40 %%3A %%20", urlForm)
	}
	switch u.Scheme {
	case "valkeys", "rediss":
		at.tls = true
	case "valkey", "redis":
	default:
		return at, configError("unknown scheme in the URL: want valkeys, valkey, rediss or redis")
	}
	if u.Opaque != "" || u.Fragment != "" {
		return at, configError("the URL is not of the form %s", urlForm)
	}
	at.namespace = strings.TrimPrefix(u.Path, "/")
	if err := checkNamespace(at.namespace); err != nil {
		return at, err
	}
	if u.User != nil {
		at.user = u.User.Username()
		at.password, _ = u.User.Password()
	}
	return at, at.query(u)
}

// query reads the settings behind the question mark, and the hosts, of which the rest is there.
func (at *location) query(u *url.URL) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return configError("the URL's query does not parse")
	}
	for name := range values {
		if name != "addr" && name != "master" && name != "db" {
			return configError("unknown setting in the URL's query: want addr, master or db")
		}
	}
	if len(values["master"]) > 1 || len(values["db"]) > 1 {
		return configError("master or db is in the URL's query more than once")
	}
	if at.master = values.Get("master"); values.Has("master") && at.master == "" {
		return configError("master in the URL is no name")
	}
	if values.Has("db") {
		if at.db, err = strconv.Atoi(values.Get("db")); err != nil || at.db < 0 || at.db > maxDB {
			return configError("db in the URL is no number from 0 to %d", maxDB)
		}
	}
	for _, host := range append([]string{u.Host}, values["addr"]...) {
		addr, err := at.address(host)
		if err != nil {
			return err
		}
		at.addrs = append(at.addrs, addr)
	}
	return nil
}

func (at *location) address(hostport string) (string, error) {
	u, err := url.Parse("//" + strings.ReplaceAll(hostport, "%", "%25")) // as of a zone of IPv6
	if err != nil || u.Hostname() == "" || u.Host != hostport {
		return "", configError("a host in the URL is missing, or not of the form host:port")
	}
	port := u.Port()
	if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > 1<<16-1) {
		return "", configError("a port in the URL is no number from 1 to 65535")
	}
	if port == "" {
		port = defaultPort
		if at.master != "" {
			port = sentinelPort
		}
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// checkNamespace takes what needs no quoting in a key, in a pattern of users.acl, or in a hash tag.
func checkNamespace(name string) error {
	if name == "" {
		return configError("the URL has no namespace: want valkeys://host/namespace")
	}
	if len(name) > maxNamespace {
		return configError("the namespace has %d bytes, at most %d are possible", len(name), maxNamespace)
	}
	for _, r := range name {
		if !strings.ContainsRune(namespaceLetters, r) {
			return configError("the namespace has %q: only letters, digits, '-', '_', '.' and ':' are possible", r)
		}
	}
	return nil
}

const namespaceLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"
