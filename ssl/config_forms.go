package ssl

// forms says which forms of session a server with cfg has, and which of them it issues.
func (cfg *Config) forms() sessionForms {
	switch {
	case cfg.TicketKeys == nil || cfg.SessionCache == nil:
		return oneForm
	case cfg.PreferSessionCache:
		return idsFirst
	}
	return ticketsFirst
}

// checkForms refuses a choice between forms of session where there is none.
func (cfg *Config) checkForms(server bool) error {
	switch {
	case !cfg.PreferSessionCache:
		return nil
	case !server:
		return configError("PreferSessionCache is for servers")
	case cfg.forms() == oneForm:
		return configError("PreferSessionCache has no effect: it is for servers with TicketKeys and a SessionCache")
	}
	return nil
}
