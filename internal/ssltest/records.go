package ssltest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// Types of records.
const (
	TypeChangeCipherSpec = 20
	TypeAlert            = 21
	TypeHandshake        = 22
	TypeData             = 23
)

// Keys protect the records of one direction with AES-128-GCM: those of TLS_AES_128_GCM_SHA256 in
// TLS 1.3, and of the suites with AES-128-GCM and SHA-256 in TLS 1.2.
type Keys struct {
	secret []byte // of TLS 1.3; in TLS 1.2 there is none
	aead   cipher.AEAD
	iv     []byte // 12 bytes; in TLS 1.2 4, and the rest is in the record
	seq    uint64
}

// NewKeys derives the keys of a TLS 1.3 traffic secret (RFC 8446, section 7.3).
func NewKeys(secret []byte) *Keys {
	return &Keys{secret: secret, aead: gcm(expand(secret, "key", 16)), iv: expand(secret, "iv", 12)}
}

// newKeys12 derives the keys of a TLS 1.2 master secret (RFC 5246, section 6.3).
func newKeys12(master, serverRandom, clientRandom []byte, server bool) *Keys {
	seed := append(append([]byte("key expansion"), serverRandom...), clientRandom...)
	mac := func(b []byte) []byte {
		h := hmac.New(sha256.New, master)
		h.Write(b)
		return h.Sum(nil)
	}
	var block []byte
	for a := mac(seed); len(block) < 40; a = mac(a) {
		block = append(block, mac(append(bytes.Clone(a), seed...))...)
	}
	if server {
		return &Keys{aead: gcm(block[16:32]), iv: block[36:40]}
	}
	return &Keys{aead: gcm(block[:16]), iv: block[32:36]}
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// expand is HKDF-Expand-Label of RFC 8446, section 7.1, with an empty context.
func expand(secret []byte, label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 "+label)))
	info = append(append(info, "tls13 "+label...), 0)
	out, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		panic(err)
	}
	return out
}

// Update makes k the keys after a KeyUpdate.
func (k *Keys) Update() { *k = *NewKeys(expand(k.secret, "traffic upd", sha256.Size)) }

func (k *Keys) nonce() []byte {
	seq := binary.BigEndian.AppendUint64(nil, k.seq)
	if len(k.iv) == 4 {
		return append(bytes.Clone(k.iv), seq...)
	}
	nonce := bytes.Clone(k.iv)
	for i, b := range seq {
		nonce[4+i] ^= b
	}
	return nonce
}

// Sealed is how many records have been sealed, or opened.
func (k *Keys) Sealed() uint64 { return k.seq }

// Seal is the next record; in TLS 1.3 zeros follow the content as padding.
func (k *Keys) Seal(kind byte, content []byte, padding int) []byte {
	defer func() { k.seq++ }()
	if len(k.iv) == 4 {
		extra := append(binary.BigEndian.AppendUint64(nil, k.seq), kind, 3, 3)
		extra = binary.BigEndian.AppendUint16(extra, uint16(len(content)))
		return record(kind, k.aead.Seal(k.nonce()[4:], k.nonce(), content, extra))
	}
	inner := append(append(bytes.Clone(content), kind), make([]byte, padding)...)
	head := binary.BigEndian.AppendUint16([]byte{TypeData, 3, 3}, uint16(len(inner)+k.aead.Overhead()))
	return k.aead.Seal(head, k.nonce(), inner, head)
}

// Open is the content of the next record of TLS 1.3. A record of other keys is an error, and is
// not counted.
func (k *Keys) Open(record []byte) (kind byte, content []byte, err error) {
	inner, err := k.aead.Open(nil, k.nonce(), record[5:], record[:5])
	if err != nil {
		return 0, nil, err
	}
	k.seq++
	inner = bytes.TrimRight(inner, "\x00")
	return inner[len(inner)-1], inner[:len(inner)-1], nil
}

// record has content as it is.
func record(kind byte, content []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind, 3, 3}, uint16(len(content))), content...)
}

// Records yields those that b is made of.
func Records(b []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) >= 5 {
			n := 5 + int(binary.BigEndian.Uint16(b[3:]))
			if len(b) < n || !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// LoggedSecret is the last secret with that label in a key log, nil if there is none.
func LoggedSecret(log, label string) (secret []byte) {
	for line := range strings.Lines(log) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == label {
			secret, _ = hex.DecodeString(f[2])
		}
	}
	return secret
}

// Labels of the secrets that protect application data.
const (
	ClientTraffic = "CLIENT_TRAFFIC_SECRET_0"
	ServerTraffic = "SERVER_TRAFFIC_SECRET_0"
)

// Message is a handshake message.
func Message(kind byte, body []byte) []byte {
	return append([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}
