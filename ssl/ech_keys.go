package ssl

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// EncryptedClientHelloKeys are a server's keys for Encrypted Client Hello (RFC 9849), for
// [Config].EncryptedClientHelloKeys, and can be replaced in use. One EncryptedClientHelloKeys may serve any
// number of Ctxs. A connection has the keys of the moment at which it is made (OSSL_ECHSTORE,
// SSL_set1_echstore).
//
// Clients take a configuration from the DNS and keep it for as long as the DNS says, so a key is to open
// ClientHellos for some time after its successor has been published. A client with a configuration whose
// key is gone is refused, and told the configurations of all keys with SendAsRetry.
//
// There is no Close: the collector frees what is not used any more. The methods may be called from several
// goroutines at once. Before OpenSSL 4.0 none can be made: ErrUnsupported.
type EncryptedClientHelloKeys struct {
	files   []string
	writing sync.Mutex // held while keys are replaced
	now     atomic.Pointer[echSet]
}

// An echSet are the keys of one time.
type echSet struct {
	h    handle[echPtr]
	list []byte // ECHConfigList
}

var echKind = kind[echPtr]{name: "echkeys", free: freeECH, gone: ErrClosed}

// NewEncryptedClientHelloKeys takes keys: see [NewEncryptedClientHelloKey], and crypto/tls for the type. It
// keeps nothing of the slices. It returns ErrConfig if there is none, ErrMalformed or ErrConfig for a key
// that cannot be used, and ErrUnsupported before OpenSSL 4.0.
func NewEncryptedClientHelloKeys(keys ...tls.EncryptedClientHelloKey) (*EncryptedClientHelloKeys, error) {
	set, err := newECHSet("NewEncryptedClientHelloKeys", keys)
	if err != nil {
		return nil, err
	}
	k := &EncryptedClientHelloKeys{}
	k.now.Store(set)
	return k, nil
}

// LoadEncryptedClientHelloKeys reads a key from each of the files, in the form of
// [ParseEncryptedClientHelloKeyPEM]. The first is the one that clients are told to use (SendAsRetry); the
// others only open what clients with older configurations send.
func LoadEncryptedClientHelloKeys(files ...string) (*EncryptedClientHelloKeys, error) {
	const op = "LoadEncryptedClientHelloKeys"
	keys, err := readECHKeys(op, files)
	if err != nil {
		return nil, err
	}
	defer wipeECHKeys(keys)
	set, err := newECHSet(op, keys)
	if err != nil {
		return nil, err
	}
	k := &EncryptedClientHelloKeys{files: slices.Clone(files)}
	k.now.Store(set)
	return k, nil
}

func readECHKeys(op string, files []string) (keys []tls.EncryptedClientHelloKey, err error) {
	for i, name := range files {
		data, err := readSecret(name)
		if err != nil {
			wipeECHKeys(keys)
			return nil, fail(op, err)
		}
		key, err := parseECHPEM(data)
		clear(data)
		key.SendAsRetry = i == 0
		keys = append(keys, key)
		if err != nil {
			wipeECHKeys(keys)
			return nil, fail(op, fmt.Errorf("%s: %w", name, err))
		}
	}
	return keys, nil
}

func wipeECHKeys(keys []tls.EncryptedClientHelloKey) {
	for _, k := range keys {
		clear(k.PrivateKey)
	}
}

// SetKeys replaces the keys, for connections that begin from now on. If it fails, the old ones stay.
func (k *EncryptedClientHelloKeys) SetKeys(keys ...tls.EncryptedClientHelloKey) error {
	return k.set("EncryptedClientHelloKeys.SetKeys", keys)
}

// Reload reads the files of [LoadEncryptedClientHelloKeys] again, and replaces the keys. If it fails, the old
// ones stay. Keys that did not come from files give ErrConfig.
func (k *EncryptedClientHelloKeys) Reload() error {
	const op = "EncryptedClientHelloKeys.Reload"
	if k == nil {
		return fail(op, ErrNil)
	}
	if len(k.files) == 0 {
		return fail(op, configError("the keys do not come from files"))
	}
	keys, err := readECHKeys(op, k.files)
	if err != nil {
		return err
	}
	defer wipeECHKeys(keys)
	return k.set(op, keys)
}

func (k *EncryptedClientHelloKeys) set(op string, keys []tls.EncryptedClientHelloKey) error {
	if k == nil {
		return fail(op, ErrNil)
	}
	set, err := newECHSet(op, keys)
	if err != nil {
		return err
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	old := k.now.Swap(set)
	if old != nil {
		old.h.close() // -1; connections have copies of their own
	}
	return nil
}

// ConfigList returns the ECHConfigList of the keys with SendAsRetry, in their order: what clients are to get
// from the DNS, and have as EncryptedClientHelloConfigList. It is nil if there is none.
func (k *EncryptedClientHelloKeys) ConfigList() []byte {
	if k == nil || k.now.Load() == nil {
		return nil
	}
	return slices.Clone(k.now.Load().list)
}

// with runs f with the keys of now, which live until it returns.
func (k *EncryptedClientHelloKeys) with(f func(echPtr) error) error {
	for {
		set := k.now.Load()
		p, err := set.h.acquire()
		if errors.Is(err, ErrClosed) {
			continue // they have been replaced since
		}
		defer set.h.release()
		return f(p)
	}
}

func newECHSet(op string, keys []tls.EncryptedClientHelloKey) (*echSet, error) {
	if len(keys) == 0 {
		return nil, fail(op, configError("there is no key"))
	}
	p, err := newECHPtr(op)
	if err != nil {
		return nil, err
	}
	set := &echSet{}
	set.h.adopt(&echKind, p)
	var configs [][]byte
	for i, key := range keys {
		if err := addECHKey(op, p, key); err != nil {
			set.h.close()
			return nil, fail(op, fmt.Errorf("key %d: %w", i, causeOf(err)))
		}
		if key.SendAsRetry {
			configs = append(configs, key.Config)
		}
	}
	if len(configs) > 0 {
		set.list = echList(configs...)
	}
	return set, nil
}
