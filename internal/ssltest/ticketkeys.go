package ssltest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"testing"

	"sessl/ssl"
)

// NewTicketKey is a random one.
func NewTicketKey(t testing.TB) ssl.TicketKey {
	t.Helper()
	k, err := ssl.NewTicketKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// ticketCipher is that of a key of 80 bytes, in nginx's layout.
func ticketCipher(t testing.TB, k ssl.TicketKey) (block cipher.Block, mac func(...[]byte) []byte) {
	t.Helper()
	raw := SecretBytes(t, k)
	block, err := aes.NewCipher(raw[48:80])
	if err != nil {
		t.Fatal(err)
	}
	return block, func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, raw[16:48])
		h.Write(bytes.Join(parts, nil))
		return h.Sum(nil)
	}
}

// Forge opens the ticket in s, as a server with the key can, has change work on the session in
// it, and makes a ticket of that.
func Forge(t testing.TB, k ssl.TicketKey, s *ssl.Session, change func(*ssl.Session)) *ssl.Session {
	t.Helper()
	block, mac := ticketCipher(t, k)
	ticket := TicketOf(t, s)
	head, body, sum := ticket[:32], bytes.Clone(ticket[32:len(ticket)-32]), ticket[len(ticket)-32:]
	if !hmac.Equal(mac(head, body), sum) {
		t.Fatal("the ticket is not what the test takes it for")
	}
	cipher.NewCBCDecrypter(block, head[16:]).CryptBlocks(body, body)
	inner, err := ssl.ParseSession(body[:len(body)-int(body[len(body)-1])])
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	change(inner)
	plain, err := inner.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	pad := 16 - len(plain)%16
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, head[16:]).CryptBlocks(plain, plain)
	forged := slices.Concat(head, plain)
	return WithTicket(t, s, append(forged, mac(head, plain)...))
}

// ShortTicketKey is a key of 48 bytes.
func ShortTicketKey(t testing.TB) ssl.TicketKey {
	t.Helper()
	k, err := ssl.ParseTicketKey(SecretBytes(t, NewTicketKey(t))[:48])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// SecretBytes are k.SecretBytes.
func SecretBytes(t testing.TB, k ssl.TicketKey) []byte {
	t.Helper()
	b, err := k.SecretBytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TicketKeys are closed with the test.
func TicketKeys(t testing.TB, set ssl.TicketKeySet) *ssl.TicketKeys {
	t.Helper()
	k, err := ssl.NewTicketKeysFrom(set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// MustSet replaces the keys of k.
func MustSet(t testing.TB, k *ssl.TicketKeys, set ssl.TicketKeySet) {
	t.Helper()
	if err := k.SetKeys(set); err != nil {
		t.Fatal(err)
	}
}

// TicketServer is a Ctx of srv with keys.
func TicketServer(t testing.TB, srv *ssl.Config, keys *ssl.TicketKeys) *ssl.Ctx {
	t.Helper()
	return NewServerCtx(t, CopyOf(srv, func(c *ssl.Config) { c.TicketKeys = keys }))
}

// TicketOf is the ticket in s; its first 16 bytes are the name of its key.
func TicketOf(t testing.TB, s *ssl.Session) []byte {
	t.Helper()
	b, err := s.Ticket()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Visit offers s to sctx and returns whether both ends resumed, and the session that the
// client has afterwards.
func Visit(t testing.TB, cctx, sctx *ssl.Ctx, s *ssl.Session) (bool, *ssl.Session) {
	t.Helper()
	p := Meet(t, cctx, sctx, s)
	defer p.CloseBoth()
	reused := p.Client.SessionReused()
	if reused != p.Server.SessionReused() {
		t.Errorf("reused is %t here and %t there", reused, !reused)
	}
	return reused, SessionOf(t, p.Client)
}

// WantVisit is visit with a demand.
func WantVisit(t testing.TB, cctx, sctx *ssl.Ctx, s *ssl.Session, want bool) *ssl.Session {
	t.Helper()
	reused, next := Visit(t, cctx, sctx, s)
	if reused != want {
		t.Fatalf("resumed is %t, want %t", reused, want)
	}
	return next
}

// WithTicket is s with another ticket. DER has it as the element [10].
func WithTicket(t testing.TB, s *ssl.Session, ticket []byte) *ssl.Session {
	t.Helper()
	der, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := ssl.ParseSession(ReplaceTicket(t, der, ticket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out
}
