package ssl

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"strings"
)

// What an ECHConfig has (RFC 9849, section 4, and RFC 9180, section 7).
const (
	echVersion = 0xfe0d

	kemX25519    = 0x0020
	kdfSHA256    = 0x0001
	echPublicMax = 255
)

// echCurves are the curves of the KEMs that private keys can be given for.
var echCurves = map[uint16]ecdh.Curve{
	0x0010: ecdh.P256(), 0x0011: ecdh.P384(), 0x0012: ecdh.P521(), kemX25519: ecdh.X25519(),
}

// An echConfig is what this package reads of an ECHConfig.
type echConfig struct {
	kem        uint16
	public     []byte
	publicName string
}

// parseECHConfig reads one ECHConfig, with its version and length.
func parseECHConfig(b []byte) (c echConfig, err error) {
	r := reader(b)
	version := r.uint16()
	body := reader(r.bytes(2))
	if version != echVersion || len(body) == 0 || len(r) > 0 {
		return c, fmt.Errorf("%w: not an ECHConfig", ErrMalformed)
	}
	body.uint8() // config_id
	c.kem, c.public = body.uint16(), body.bytes(2)
	suites := body.bytes(2)
	body.uint8() // maximum_name_length
	c.publicName = string(body.bytes(1))
	if len(suites) == 0 || c.publicName == "" || len(body) < 2 {
		return c, fmt.Errorf("%w: an ECHConfig that ends early", ErrMalformed)
	}
	return c, nil
}

// checkECHList reports why b is no ECHConfigList. Versions that are unknown here are for OpenSSL to skip.
func checkECHList(b []byte) error {
	r := reader(b)
	list := reader(r.bytes(2))
	if len(list) == 0 || len(r) > 0 {
		return fmt.Errorf("%w: not an ECHConfigList", ErrMalformed)
	}
	for len(list) > 0 {
		list.uint16()
		if len(list.bytes(2)) == 0 {
			return fmt.Errorf("%w: an ECHConfigList that ends early", ErrMalformed)
		}
	}
	return nil
}

// echList is the ECHConfigList of configs.
func echList(configs ...[]byte) []byte {
	all := bytes.Join(configs, nil)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(all))), all...)
}

// NewEncryptedClientHelloKey makes a random key for Encrypted Client Hello, with its ECHConfig. publicName
// is the name that observers see instead of the server's: the SNI on the outside. The server needs a
// certificate for it too, with which it tells clients that have an old configuration what the new one is.
// The key is for DHKEM(X25519, HKDF-SHA256), and SendAsRetry is set. A publicName that is not a DNS name
// gives ErrConfig.
func NewEncryptedClientHelloKey(publicName string) (key tls.EncryptedClientHelloKey, err error) {
	const op = "NewEncryptedClientHelloKey"
	name, err := hostName(publicName)
	if err != nil || name == "" || len(name) > echPublicMax || strings.Trim(name, "0123456789.:") == "" {
		return key, fail(op, configError("%.64q cannot be a public name", publicName))
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return key, fail(op, err)
	}
	id := make([]byte, 1)
	rand.Read(id) // never fails
	body := binary.BigEndian.AppendUint16(id, kemX25519)
	public := private.PublicKey().Bytes()
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(public))), public...)
	aeads := []uint16{1, 2, 3} // AES-128-GCM, AES-256-GCM, ChaCha20Poly1305
	body = binary.BigEndian.AppendUint16(body, uint16(4*len(aeads)))
	for _, aead := range aeads {
		body = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(body, kdfSHA256), aead)
	}
	body = append(body, 0, byte(len(name))) // no maximum_name_length
	body = append(append(body, name...), 0, 0)
	config := binary.BigEndian.AppendUint16(nil, echVersion)
	config = append(binary.BigEndian.AppendUint16(config, uint16(len(body))), body...)
	return tls.EncryptedClientHelloKey{Config: config, PrivateKey: private.Bytes(), SendAsRetry: true}, nil
}

const (
	pemECHConfig  = "ECHCONFIG"
	pemPrivateKey = "PRIVATE KEY"
)

// MarshalEncryptedClientHelloKeyPEM encodes a key and its configuration as openssl ech does: a block PRIVATE
// KEY, in PKCS #8, and a block ECHCONFIG, which is what the DNS is to have. It returns ErrMalformed if
// either cannot be read, and ErrConfig if they do not belong together.
func MarshalEncryptedClientHelloKeyPEM(key tls.EncryptedClientHelloKey) ([]byte, error) {
	b, err := echPEM(key)
	if err != nil {
		return nil, fail("MarshalEncryptedClientHelloKeyPEM", err)
	}
	return b, nil
}

func echPEM(key tls.EncryptedClientHelloKey) ([]byte, error) {
	config, err := parseECHConfig(key.Config)
	if err != nil {
		return nil, err
	}
	curve := echCurves[config.kem]
	if curve == nil {
		return nil, fmt.Errorf("%w: the KEM 0x%04X of an ECHConfig", ErrUnsupported, config.kem)
	}
	private, err := curve.NewPrivateKey(key.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("%w: the PrivateKey is none of the KEM of its Config", ErrMalformed)
	}
	if !bytes.Equal(private.PublicKey().Bytes(), config.public) {
		return nil, configError("the PrivateKey is not that of its Config")
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	defer clear(der)
	b := pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der})
	return append(b, pem.EncodeToMemory(&pem.Block{Type: pemECHConfig, Bytes: echList(key.Config)})...), nil
}

// ParseEncryptedClientHelloKeyPEM reads what [MarshalEncryptedClientHelloKeyPEM] and openssl ech write: a
// private key and an ECHConfigList with one configuration. SendAsRetry of the result is set. It returns
// ErrMalformed for anything else, and ErrConfig if key and configuration do not belong together.
func ParseEncryptedClientHelloKeyPEM(data []byte) (tls.EncryptedClientHelloKey, error) {
	key, err := parseECHPEM(data)
	if err != nil {
		return tls.EncryptedClientHelloKey{}, fail("ParseEncryptedClientHelloKeyPEM", err)
	}
	return key, nil
}

func parseECHPEM(data []byte) (key tls.EncryptedClientHelloKey, err error) {
	key.SendAsRetry = true
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case pemPrivateKey:
			key.PrivateKey, err = hpkeKey(block.Bytes)
			clear(block.Bytes)
			if err != nil {
				return key, err
			}
		case pemECHConfig:
			if err := checkECHList(block.Bytes); err != nil {
				return key, err
			}
			key.Config = block.Bytes[2:]
		}
	}
	if key.Config == nil || key.PrivateKey == nil {
		return key, fmt.Errorf("%w: there must be a PRIVATE KEY and an ECHCONFIG", ErrMalformed)
	}
	check, err := echPEM(key)
	clear(check)
	return key, err
}

// hpkeKey is the private key in der, in the form of RFC 9180, section 7.1.2.
func hpkeKey(der []byte) ([]byte, error) {
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch k := private.(type) {
	case *ecdh.PrivateKey:
		return k.Bytes(), nil
	case *ecdsa.PrivateKey:
		if k, err := k.ECDH(); err == nil {
			return k.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("%w: a private key of a type that Encrypted Client Hello does not have", ErrMalformed)
}
