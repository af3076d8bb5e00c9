package resp

import "bytes"

const (
	maxDepth    = 8
	maxElements = 1 << 16 // in one reply
	maxPart     = 512     // of what is kept of an element
	maxParts    = 3
)

// incoming follows the replies.
type incoming struct {
	asked *asked
	max   int // bytes of a reply

	line     []byte // of a header or of a simple reply, so far
	skip     int    // bytes of a string and its line end that are to come
	size     int    // bytes of the reply, so far
	left     []int  // elements that are to come, of the reply and of arrays in it
	count    int    // elements that the reply and arrays in it have announced
	typ      byte   // of the reply
	elements int    // of the reply itself, -1 if it is no array
	keep     []byte // of the string, so far
	parts    [][]byte
}

func (in *incoming) take(p []byte) error {
	for len(p) > 0 {
		n, err := in.step(p)
		if err != nil {
			return err
		}
		if in.size += n; in.size > in.max {
			return protocolError("a reply of more than %d bytes", in.max)
		}
		p = p[n:]
		if in.typ != 0 && in.skip == 0 && len(in.line) == 0 && len(in.left) == 0 {
			if err := in.complete(); err != nil {
				return err
			}
		}
	}
	return nil
}

// step passes over part of a string, or of a line.
func (in *incoming) step(p []byte) (n int, err error) {
	if in.skip > 0 {
		n = min(in.skip, len(p))
		return n, in.body(p[:n])
	}
	n = bytes.IndexByte(p, '\n') + 1
	if n == 0 {
		n = len(p)
	}
	if in.size+n > in.max || len(in.line)+n > in.max {
		return n, protocolError("a line of more than %d bytes", in.max)
	}
	in.line = append(in.line, p[:n]...)
	if in.line[len(in.line)-1] != '\n' {
		return n, in.firstByte()
	}
	if len(in.line) < 3 || in.line[len(in.line)-2] != '\r' {
		return n, protocolError("a line without its end")
	}
	err = in.header(in.line)
	in.line = in.line[:0]
	return n, err
}

// firstByte refuses at once what cannot become a reply, however long it gets.
func (in *incoming) firstByte() error {
	if bytes.IndexByte([]byte("+-:_,#(*%~>$!="), in.line[0]) < 0 {
		return protocolError("a reply of the type %q", in.line[0])
	}
	return nil
}

func (in *incoming) body(p []byte) error {
	if room := maxPart - len(in.keep); room > 0 && in.wanted() {
		in.keep = append(in.keep, p[:min(len(p), room)]...)
	}
	for i := max(in.skip-2, 0); i < len(p); i++ {
		if p[i] != "\r\n"[i-in.skip+2] {
			return protocolError("a string without its end")
		}
	}
	if in.skip -= len(p); in.skip > 0 {
		return nil
	}
	in.part(bytes.TrimSuffix(in.keep, []byte("\r\n")))
	in.keep = in.keep[:0]
	in.element()
	return nil
}

// wanted reports whether the string is one of those that push or answer looks at.
func (in *incoming) wanted() bool { return len(in.left) <= 1 && len(in.parts) < maxParts }

func (in *incoming) part(text []byte) {
	if in.wanted() {
		in.parts = append(in.parts, bytes.Clone(text))
	}
}

// header takes a line: the beginning of a string or of an array, or a whole simple element.
func (in *incoming) header(line []byte) error {
	typ := line[0]
	if in.typ == 0 {
		in.typ, in.elements = typ, -1
	}
	switch typ {
	case '+', '-', ',', '(':
		in.part(line[1:min(len(line)-2, maxPart)])
	case ':':
		if !integer(line[1 : len(line)-2]) {
			return protocolError("a number that is none")
		}
		in.part(nil)
	case '_', '#':
		if typ == '_' && len(line) != 3 || typ == '#' && (len(line) != 4 || line[1] != 't' && line[1] != 'f') {
			return protocolError("a value that is none")
		}
		in.part(nil)
	case '$', '!', '=':
		return in.str(line)
	case '*', '~', '%', '>':
		return in.array(typ, line)
	default:
		return protocolError("a reply of the type %q", typ)
	}
	in.element()
	return nil
}

func (in *incoming) str(line []byte) error {
	n, ok := number(line)
	switch {
	case !ok:
		return protocolError("a length that is none")
	case n < 0:
		in.part(nil)
		in.element()
		return nil
	case n > in.max-in.size:
		return protocolError("a reply of more than %d bytes", in.max)
	}
	in.skip = n + 2
	return nil
}

func (in *incoming) array(typ byte, line []byte) error {
	n, ok := number(line)
	if !ok || n < 0 && typ != '*' {
		return protocolError("a length that is none")
	}
	if typ == '>' && len(in.left) > 0 {
		return protocolError("a push inside a reply")
	}
	if len(in.left) == 0 {
		in.elements = n
	}
	if typ == '%' {
		n *= 2
	}
	if in.count += max(n, 0); in.count > maxElements || len(in.left) >= maxDepth {
		return protocolError("more than %d elements, or deeper than %d", maxElements, maxDepth)
	}
	if n <= 0 {
		in.part(nil)
		in.element()
		return nil
	}
	if len(in.left) > 0 {
		in.part(nil)
	}
	in.left = append(in.left, n)
	return nil
}

// element notes that an element is complete, and with it perhaps the arrays that it is the last one of.
func (in *incoming) element() {
	for len(in.left) > 0 {
		last := len(in.left) - 1
		if in.left[last]--; in.left[last] > 0 {
			return
		}
		in.left = in.left[:last]
	}
}

// complete checks a whole reply against the questions, and begins the next.
func (in *incoming) complete() error {
	first := []byte{}
	if len(in.parts) > 0 {
		first = in.parts[0]
	}
	var err error
	if in.typ == '>' {
		err = in.asked.push(string(first), in.parts, in.elements)
	} else {
		err = in.asked.answer(in.typ, in.elements, first)
	}
	in.size, in.count, in.typ, in.parts = 0, 0, 0, in.parts[:0]
	return err
}

// integer reports whether text is a number as valkey-go reads it.
func integer(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte("-"))
	if len(text) == 0 || len(text) > 20 {
		return false
	}
	for _, d := range text {
		if d < '0' || d > '9' {
			return false
		}
	}
	return true
}
