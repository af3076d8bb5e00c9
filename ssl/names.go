package ssl

import (
	"net/netip"
	"strings"
)

const (
	maxHostName = 253 // RFC 1035, in the text form
	maxLabel    = 63
)

// hostName decides what is a server's name, wherever one is given. It returns the name in the
// form in which it is sent, matched with certificates and noted with sessions: a name in lower
// case without a final dot, or an address without brackets and zone, with IPv4 in its own
// form. "" means no name. docs/names.md has the rules, and how those of other programs differ.
func hostName(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	text, bracketed := s, false
	if n := len(s) - 1; s[0] == '[' && s[n] == ']' && n > 0 {
		text, bracketed = s[1:n], true
	}
	if ip, ok := parseAddr(text); ok {
		return ip.WithZone("").Unmap().String(), nil
	}
	name := strings.TrimSuffix(s, ".")
	if why := notAName(name, bracketed); why != "" {
		return "", configError("ServerName %.64q is not a host name: %s", s, why)
	}
	return strings.ToLower(name), nil
}

// parseAddr is netip.ParseAddr without the error, which is made for each name of a host otherwise.
func parseAddr(s string) (ip netip.Addr, ok bool) {
	if s == "" || !strings.Contains(s, ":") && (s[len(s)-1] < '0' || s[len(s)-1] > '9') {
		return ip, false
	}
	ip, err := netip.ParseAddr(s)
	return ip, err == nil
}

// notAName says what is wrong with a name without its final dot, or "".
func notAName(name string, bracketed bool) string {
	if _, ok := parseAddr(name); ok {
		return "a dot behind an address"
	}
	switch {
	case bracketed:
		return "there is no address in the brackets"
	case len(name) > maxHostName:
		return "it is longer than 253 characters"
	case strings.HasPrefix(name, "."):
		return "it begins with a dot"
	case strings.Contains(name, "*"):
		return "wildcards are for certificates"
	}
	for _, r := range name {
		if why := notInNames(r); why != "" {
			return why
		}
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return "a label is empty"
		case len(label) > maxLabel:
			return "a label is longer than 63 characters"
		}
	}
	return ""
}

// notInNames says why r cannot be in a name, or "". Underscores are allowed, and
// hyphens in any place, since such names are in use.
func notInNames(r rune) string {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
		return ""
	case r >= 0x80:
		return "it has characters that are not ASCII: use the form that begins with xn--"
	case r == ':':
		return "it has a colon: a port is no part of it"
	case r == '/':
		return "it has a slash: a URL is none"
	}
	return "a character is none of letters, digits, '-', '_' and '.'"
}

func isIP(name string) bool {
	_, ok := parseAddr(name)
	return ok
}
