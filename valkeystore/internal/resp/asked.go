package resp

import (
	"bytes"
	"strconv"
)

// A form is what the reply to a question may look like.
type form uint8

const (
	anything   form = iota
	subscribed      // a push for each channel, or one error
	ended           // of an UNSUBSCRIBE: pushes, and the PONG of the PING that follows
	address         // host and port, or nothing, or an error
)

// question is a command that has been sent and not been answered.
type question struct {
	form     form
	channels int // that have yet to be confirmed
	begun    bool
}

// asked are the questions without an answer, in order.
type asked struct {
	list     []question
	readOnly bool // an answer was that the database is a replica
}

func (a *asked) add(q question) { a.list = append(a.list, q) }

func (a *asked) pop() {
	if a.list = a.list[1:]; len(a.list) == 0 {
		a.list = nil
	}
}

// push checks a push, which has a word of its own kind, and is no answer unless it confirms something.
func (a *asked) push(word string, parts [][]byte, elements int) error {
	switch word {
	case "subscribe", "psubscribe", "ssubscribe":
		if len(a.list) == 0 || a.list[0].form != subscribed {
			return protocolError("a confirmation that was not asked for")
		}
		q := &a.list[0]
		q.channels--
		q.begun = true
		if q.channels == 0 {
			a.pop()
		}
	case "unsubscribe", "punsubscribe", "sunsubscribe":
		if len(a.list) == 0 || a.list[0].form != ended {
			return protocolError("an end of a subscription that was not asked for")
		}
	case "message":
		return checkEvent(parts, elements)
	}
	return nil
}

// checkEvent refuses what valkey-go takes apart without a look at the number of words: events of Sentinels.
func checkEvent(parts [][]byte, elements int) error {
	if elements < 3 || len(parts) < 3 || len(parts[1]) == 0 || parts[1][0] != '+' && parts[1][0] != '-' {
		return nil
	}
	least := map[string]int{"+sentinel": 4, "+switch-master": 5, "+reboot": 4}[string(parts[1])]
	words := bytes.Count(parts[2], []byte(" ")) + 1
	if bytes.HasPrefix(parts[2], []byte("slave ")) || least == 0 {
		least = max(least, 6)
	}
	if words < least {
		return protocolError("an event of a Sentinel with %d words", words)
	}
	return nil
}

// answer checks a reply that is no push, and takes it as the answer to the oldest question. elements is
// its number of elements, -1 if it is no array. text is how it begins.
func (a *asked) answer(typ byte, elements int, text []byte) error {
	if len(a.list) == 0 {
		return protocolError("a reply to no question")
	}
	q := a.list[0]
	isErr := typ == '-' || typ == '!'
	if isErr && !redirects(text) {
		return protocolError("a redirection to nowhere")
	}
	a.readOnly = a.readOnly || isErr && bytes.HasPrefix(text, []byte("READONLY "))
	switch q.form {
	case subscribed:
		if !isErr || q.begun || string(text) == "QUEUED" {
			return protocolError("no confirmation of a subscription")
		}
	case ended:
		if string(text) != "PONG" {
			return protocolError("no end of a subscription")
		}
		a.pop()
		if len(a.list) == 0 {
			return protocolError("an end of a subscription without its PING")
		}
	case address:
		if !isErr && elements >= 0 && elements != 2 {
			return protocolError("an address of %d parts", elements)
		}
	}
	a.pop()
	return nil
}

// redirects reports whether an error that begins with the name of a redirection has an address.
func redirects(text []byte) bool {
	for _, r := range []struct {
		name  string
		words int
	}{{"MOVED", 3}, {"ASK", 3}, {"REDIRECT", 2}} {
		if bytes.HasPrefix(text, []byte(r.name)) && bytes.Count(text, []byte(" "))+1 < r.words {
			return false
		}
	}
	return true
}

// questionOf says how a command is answered.
func questionOf(words []string, n int) (question, error) {
	word := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	switch word(0) {
	case "HELLO":
		if v, err := strconv.Atoi(word(1)); n > 1 && (err != nil || v < 3) {
			return question{}, protocolError("the database does not speak RESP3, which is needed")
		}
	case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE":
		return question{form: subscribed, channels: n - 1}, nil
	case "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE":
		return question{form: ended}, nil
	case "SENTINEL":
		if word(1) == "GET-MASTER-ADDR-BY-NAME" {
			return question{form: address}, nil
		}
	}
	return question{}, nil
}
