package neighbours

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"sessl/valkeystore/internal/schedule"
)

// HAProxy is a HAProxy by its stats socket.
type HAProxy struct {
	Network, Addr string // unix or tcp
	ID            string // of the keys, as "show tls-keys" says it: the file's name, or # and a number
}

// The errors of HAProxy. Its own words are not passed on, as they may repeat what it was sent.
var (
	ErrDenied  = errors.New("HAProxy denies it: the socket needs level operator or admin")
	ErrNoKeys  = errors.New("HAProxy has no keys of that name")
	ErrRefused = errors.New("HAProxy's answer cannot be used")
)

// Send brings the keys of HAProxy up to date, and returns how many it has sent: none if they are.
func (h HAProxy) Send(ctx context.Context, s Set) (sent int, err error) {
	lines, err := s.lines()
	if err != nil {
		return 0, err
	}
	defer wipe(lines[:])
	want := lines[:]
	show := "show tls-keys " + h.ID
	var buf [maxAnswer]byte
	defer clear(buf[:])
	have, err := h.ask(ctx, []byte(show+"\n"), buf[:])
	if err != nil {
		return 0, err
	}
	lacks := lacking(have, want)
	if len(lacks) == 0 {
		return 0, nil
	}
	set := "set ssl tls-key " + h.ID + " "
	question := make([]byte, 0, len(lacks)*(len(set)+lineLen+1)+len(show)+1) // never grown
	defer func() { clear(question) }()
	for _, key := range lacks {
		question = append(append(append(question, set...), key...), ';')
	}
	question = append(append(question, show...), '\n')
	have, err = h.ask(ctx, question, buf[:])
	if err != nil {
		return 0, err
	}
	if len(lacking(have, want)) > 0 {
		return 0, fmt.Errorf("%w: it has other keys than it was sent", ErrRefused)
	}
	return len(lacks), nil
}

// maxAnswer is more than the answers to three keys and all of them.
const maxAnswer = 4 << 10

// ask sends a line of commands, of which the last shows the keys, and returns these as a part of buf.
func (h HAProxy) ask(ctx context.Context, question, buf []byte) ([][]byte, error) {
	c, err := new(net.Dialer).DialContext(ctx, h.Network, h.Addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write(question); err != nil {
		return nil, because(ctx, err)
	}
	n, err := io.ReadFull(c, buf)
	switch {
	case err == nil:
		return nil, fmt.Errorf("%w: it is too long", ErrRefused)
	case !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF):
		return nil, because(ctx, err)
	}
	return keysIn(buf[:n])
}

// because returns why the context ended if that is what ended a call.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// keysIn finds the keys, oldest first: behind a comment each is a line with the number of the keys, a point,
// and the key's own.
func keysIn(answer []byte) (keys [][]byte, err error) {
	for text := range bytes.Lines(answer) {
		words := bytes.Fields(text)
		switch {
		case len(words) == 2 && len(words[1]) == lineLen && bytes.Contains(words[0], []byte(".")):
			keys = append(keys, words[1])
		case bytes.HasPrefix(text, []byte("Permission denied")):
			return nil, ErrDenied
		case bytes.Contains(text, []byte("unable to locate")):
			return nil, ErrNoKeys
		}
	}
	if len(keys) != haproxys {
		return nil, fmt.Errorf("%w: it shows %d keys of %d bytes, and not %d", ErrRefused, len(keys),
			schedule.SecretLen, haproxys)
	}
	return keys, nil
}
