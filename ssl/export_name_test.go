package ssl

// HostName is what becomes of a name that a client is given.
func HostName(s string) (string, error) { return hostName(s) }
