package starttls

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
)

func askSMTP(t *talk, _ string) error {
	if _, err := t.code("greeting", 220); err != nil {
		return err
	}
	if err := t.say("EHLO localhost"); err != nil { // the name that net/smtp says
		return err
	}
	offers, err := t.code("EHLO", 250)
	if err != nil {
		return err
	}
	if !offersSTARTTLS(offers) {
		return refused("EHLO", offers)
	}
	if err := t.say("STARTTLS"); err != nil {
		return err
	}
	_, err = t.code("STARTTLS", 220)
	return notOffered(err)
}

// offersSTARTTLS looks for the extension in the reply to EHLO, whose first line is a greeting.
func offersSTARTTLS(reply string) bool {
	lines := strings.Split(reply, "\n")
	for _, line := range lines[1:] {
		if strings.EqualFold(strings.TrimSpace(line), "STARTTLS") {
			return true
		}
	}
	return false
}

// notOffered makes ErrNotOffered of a reply with another code, which errors.As still finds.
func notOffered(err error) error {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return fmt.Errorf("%w: %w", ErrNotOffered, err)
	}
	return err
}

func askFTP(t *talk, _ string) error {
	if _, err := t.code("greeting", 220); err != nil {
		return err
	}
	if err := t.say("AUTH TLS"); err != nil {
		return err
	}
	_, err := t.code("AUTH TLS", 234)
	return notOffered(err)
}

func askPOP3(t *talk, _ string) error {
	for step, command := range []string{"", "STLS"} {
		name := []string{"greeting", "STLS"}[step]
		if command != "" {
			if err := t.say(command); err != nil {
				return err
			}
		}
		line, err := t.line(name)
		if err != nil {
			return err
		}
		if word, _, _ := strings.Cut(line, " "); word != "+OK" {
			return refused(name, line)
		}
	}
	return nil
}

// askIMAP refuses a greeting that says PREAUTH: such a server is past STARTTLS, and a client that went
// on would have been talked out of TLS.
func askIMAP(t *talk, _ string) error {
	line, err := t.line("greeting")
	if err != nil {
		return err
	}
	if !startsWith(line, "* OK") {
		return refused("greeting", line)
	}
	const tag = "a"
	if err := t.say(tag + " STARTTLS"); err != nil {
		return err
	}
	for {
		line, err := t.line("STARTTLS")
		switch {
		case err != nil:
			return err
		case startsWith(line, tag+" OK"):
			return nil
		case !startsWith(line, "*"): // untagged lines come at any time
			return refused("STARTTLS", line)
		}
	}
}

// startsWith compares whole words, in which case does not matter.
func startsWith(line, words string) bool {
	return len(line) >= len(words) && strings.EqualFold(line[:len(words)], words) &&
		(len(line) == len(words) || line[len(words)] == ' ')
}

// askPostgres sends an SSLRequest, to which the answer is one byte.
func askPostgres(t *talk, _ string) error {
	if _, err := t.w.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil { // the length, and 80877103
		return err
	}
	answer, err := t.r.R.ReadByte()
	if err != nil {
		return at("SSLRequest", err)
	}
	if answer != 'S' { // N for no, E for an error, whose text anyone on the way may have written
		return refused("SSLRequest", string(rune(answer)))
	}
	return nil
}
