package starttls

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"
	"unicode"
)

var (
	// ErrInjected: there were more bytes behind the answer after which TLS begins. A program that
	// buffers would take them for what the server has said inside TLS.
	ErrInjected = errors.New("the server, or someone on the way, sent more in the clear")

	// ErrTooLong: the server said more than 64 KiB in the clear.
	ErrTooLong = errors.New("the server says too much in the clear")

	// ErrNotOffered: the server does not offer TLS, or refused it.
	ErrNotOffered = errors.New("the server does not offer TLS")
)

const (
	maxClear = 64 << 10 // bytes that a server may send before TLS
	enough   = 200      // bytes of its text in an error, which are not to be trusted
)

// Upgrade asks the server at the other end of conn to begin TLS, and returns when it has agreed: the
// next bytes are those of the handshake, for which ssl.Dialer.Client takes conn. Nothing must have been
// read from conn before. host is the server's name; XMPP says it, the other protocols do not.
//
// If ctx ends, Upgrade returns its error and its cause; for that it sets conn's deadline, or closes a conn
// that has none. conn stays the caller's; after an error it is good for nothing but Close. Errors name the
// protocol and the step, wrap ErrNotOffered, ErrInjected or ErrTooLong, and have what the server said in
// quotes; for a reply code errors.As finds a *textproto.Error, for a failure of conn its *net.OpError.
func (p Protocol) Upgrade(ctx context.Context, conn net.Conn, host string) error {
	known, ok := protocols[p]
	if !ok {
		return fmt.Errorf("starttls: there is no %v", p)
	}
	if conn == nil {
		return fmt.Errorf("starttls: %v: there is no connection", p)
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		if conn.SetDeadline(time.Unix(1, 0)) != nil { // wakes a Read and a Write
			conn.Close() // as the channels of ssh have none
		}
	})
	err := ask(conn, known.ask, host)
	if !stop() {
		<-stopped
		err = ended(ctx) // and not that a deadline has passed
	}
	if err != nil {
		return fmt.Errorf("starttls: %v: %w", p, err)
	}
	return nil
}

// ended is why ctx has ended, and its cause, if it has one of its own.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// ask has the conversation, and wants nothing behind its end.
func ask(conn net.Conn, how func(t *talk, host string) error, host string) error {
	t := &talk{w: conn, in: bounded{r: conn, left: maxClear}}
	t.r.R = bufio.NewReader(&t.in)
	if err := how(t, host); err != nil {
		return err
	}
	if t.r.R.Buffered() > 0 {
		return ErrInjected
	}
	return nil
}

// bounded is a reader that fails after some bytes; an io.LimitedReader would pretend that the server
// had ended.
type bounded struct {
	r      io.Reader
	left   int
	failed error // of the last Read
}

func (b *bounded) Read(p []byte) (n int, err error) {
	if err = ErrTooLong; b.left > 0 {
		n, err = b.r.Read(p[:min(len(p), b.left)])
	}
	b.left -= n
	b.failed = err
	return n, err
}

// A talk is what both sides say in the clear.
type talk struct {
	w  io.Writer
	in bounded
	r  textproto.Reader // of in
}

// say sends a line.
func (t *talk) say(line string) error {
	_, err := io.WriteString(t.w, line+"\r\n")
	return err
}

// line reads one.
func (t *talk) line(step string) (string, error) {
	line, err := t.r.ReadLine()
	return line, at(step, err)
}

// code reads the reply to a step of SMTP and FTP, which must have a code.
func (t *talk) code(step string, want int) (text string, err error) {
	_, text, err = t.r.ReadResponse(want)
	var reply *textproto.Error
	var bad textproto.ProtocolError
	switch {
	case errors.As(err, &reply):
		reply.Msg = reply.Msg[:min(len(reply.Msg), enough)]
		err = quoted{reply}
	case errors.As(err, &bad):
		err = bad[:min(len(bad), enough)]
		if strings.ContainsFunc(err.Error(), unprintable) { // Go 1.26.4 and later have the reply in quotes
			err = textproto.ProtocolError(strconv.Quote(err.Error()))
		}
	}
	return text, at(step, err)
}

// quoted is an error with the text of a reply, which package net/textproto has quoted since Go 1.26.4 only.
type quoted struct{ reply *textproto.Error }

func (q quoted) Error() string { return fmt.Sprintf("%03d %q", q.reply.Code, q.reply.Msg) }
func (q quoted) Unwrap() error { return q.reply }

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// at names the step that failed. An end in the middle of a conversation is none that was expected.
func at(step string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: %w", step, err)
}

// refused is the answer to a step of a server that does not want TLS.
func refused(step, answer string) error {
	return fmt.Errorf("%s: %w: %.*q", step, ErrNotOffered, enough, answer)
}
