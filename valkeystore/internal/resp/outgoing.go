package resp

import "bytes"

// outgoing follows the commands that are sent: arrays of strings.
type outgoing struct {
	asked *asked

	line  []byte   // of a header, so far
	args  int      // that are to come
	total int      // of the command
	skip  int      // bytes of an argument and its line end that are to come
	keep  []byte   // of the argument, so far
	words []string // how the command begins
}

const (
	maxLine = 32 // of a header
	maxWord = 32 // of what is kept of an argument
)

func (o *outgoing) take(p []byte) error {
	for len(p) > 0 {
		if o.skip > 0 {
			p = o.body(p)
		} else {
			i := bytes.IndexByte(p, '\n')
			if i < 0 {
				i = len(p) - 1
			}
			o.line = append(o.line, p[:i+1]...)
			p = p[i+1:]
			if o.line[len(o.line)-1] != '\n' {
				continue
			}
			if err := o.header(); err != nil {
				return err
			}
		}
		if err := o.complete(); err != nil {
			return err
		}
	}
	return nil
}

// body passes over the argument, of which it keeps the beginning.
func (o *outgoing) body(p []byte) []byte {
	n := min(o.skip, len(p))
	if len(o.words) < 2 {
		o.keep = append(o.keep, p[:min(n, maxWord-min(maxWord, len(o.keep)))]...)
	}
	if o.skip -= n; o.skip == 0 {
		o.args--
		if len(o.words) < 2 {
			o.words = append(o.words, string(bytes.ToUpper(bytes.TrimSuffix(o.keep, []byte("\r\n")))))
		}
		o.keep = o.keep[:0]
	}
	return p[n:]
}

func (o *outgoing) header() error {
	n, ok := number(o.line)
	typ := o.line[0]
	o.line = o.line[:0]
	switch {
	case ok && typ == '*' && o.args == 0 && n > 0:
		o.args, o.total, o.words = n, n, o.words[:0]
	case ok && typ == '$' && o.args > 0 && n >= 0:
		o.skip = n + 2
	default:
		return protocolError("no command")
	}
	return nil
}

func (o *outgoing) complete() error {
	if o.args > 0 || o.total == 0 {
		return nil
	}
	q, err := questionOf(o.words, o.total)
	if err != nil {
		return err
	}
	o.asked.add(q)
	o.total = 0
	return nil
}

// number reads the number of a header, which ends with \r\n.
func number(line []byte) (n int, ok bool) {
	if len(line) < 4 || len(line) > maxLine || line[len(line)-2] != '\r' {
		return 0, false
	}
	digits := line[1 : len(line)-2]
	if string(digits) == "-1" {
		return -1, true
	}
	if len(digits) > 9 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = 10*n + int(d-'0')
	}
	return n, true
}
