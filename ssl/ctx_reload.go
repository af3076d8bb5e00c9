package ssl

import (
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"weak"
)

// ReloadableCertificates are certificates that can be replaced while servers and
// clients go on: see [Config].ReloadableCertificates. Nothing watches files: the
// application calls Reload or Replace, on a signal or after a renewal.
//
// A connection keeps to its end the certificates that were current when Client made it, on a
// server when its ClientHello had come, or when GetConfigForClient chose its Ctx. The next
// connection has the new ones. A server's call before the handshake that needs an SSL, such as
// SetNumTickets, settles them already. Both can be in use at the same time. An old certificate is
// freed, and its key wiped, when no connection and no Certificate of the application has it any more.
//
// Sessions are not affected, because a resumption shows no certificate. Sessions made
// with the old certificates are resumed with the new ones: the Ctx keeps its session id
// context and, on a client, the configuration that it was made with. Only if the new
// certificates have other names, and the Config has no SessionIDContext, does a server
// resume none of the old sessions. If the old certificates must not count any more, for
// example because a key was stolen, make a new Ctx with another SessionIDContext.
//
// The methods may be called from several goroutines at once. The value must not be copied.
type ReloadableCertificates struct {
	files []CertificateFiles
	now   atomic.Pointer[certSet]
	seq   atomic.Uint64 // counts calls of Reload and Replace

	mu      sync.Mutex // no function of the application runs under it
	applied uint64     // the call whose certificates are in use
	users   []weak.Pointer[Ctx]
}

// CertificateFiles names the files of one Certificate.
type CertificateFiles struct {
	CertFile, KeyFile string // see [LoadX509KeyPair]

	// OCSPFile, if set, has an OCSP response in DER for [Certificate.SetOCSPStaple].
	OCSPFile string

	// Password, if set, opens an encrypted key: see [X509KeyPairWithPassword].
	Password func() ([]byte, error)
}

// certSet does not change after it has been made.
type certSet struct {
	certs []Certificate
	own   []*ownChain

	certNames, certKeys []string // in the certificates
}

func setOf(certs []Certificate) *certSet {
	certs = slices.Clone(certs)
	return &certSet{certs: certs, own: chainsOf(certs), certNames: namesInAll(certs), certKeys: keysInAll(certs)}
}

// NewReloadableCertificates begins with certs and without files, so that only Replace
// changes them. It returns ErrConfig if certs is empty or has the zero Certificate.
func NewReloadableCertificates(certs ...Certificate) (*ReloadableCertificates, error) {
	r := &ReloadableCertificates{}
	if err := r.replace("NewReloadableCertificates", 0, certs); err != nil {
		return nil, err
	}
	return r, nil
}

// LoadReloadableCertificates reads certificates from files, which Reload reads again.
func LoadReloadableCertificates(files ...CertificateFiles) (*ReloadableCertificates, error) {
	const op = "LoadReloadableCertificates"
	r := &ReloadableCertificates{files: slices.Clone(files)}
	certs, err := loadAll(op, files)
	if err == nil {
		err = r.replace(op, 0, certs)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Reload reads the files again and makes new connections use their content. The new certificates
// are first tried as a set: each must be complete, with its key and, if there is an OCSPFile,
// its staple; and each open Ctx that uses r must accept them with its other settings
// (SSL_use_cert_and_key). After an error the old certificates stay. Of several calls at once,
// the one that began last counts; a call that was overtaken changes nothing and returns nil.
//
// Errors are those of LoadX509KeyPairWithPassword and NewServerCtx, and ErrConfig if there are
// no files. An OCSP response for the old certificate is an error, so write all files first.
func (r *ReloadableCertificates) Reload() error {
	const op = "ReloadableCertificates.Reload"
	if r == nil {
		return fail(op, ErrNil)
	}
	if len(r.files) == 0 {
		return fail(op, configError("there are no files: LoadReloadableCertificates has them, Replace needs none"))
	}
	seq := r.seq.Add(1)
	certs, err := loadAll(op, r.files)
	if err != nil {
		return err
	}
	return r.replace(op, seq, certs)
}

// Replace is Reload with certs instead of the content of files.
func (r *ReloadableCertificates) Replace(certs ...Certificate) error {
	const op = "ReloadableCertificates.Replace"
	if r == nil {
		return fail(op, ErrNil)
	}
	return r.replace(op, r.seq.Add(1), certs)
}

// Certificates returns the certificates that new connections get.
func (r *ReloadableCertificates) Certificates() []Certificate {
	set := r.current()
	if set == nil {
		return nil
	}
	return slices.Clone(set.certs)
}

// current returns nil for a value that no function of this package made.
func (r *ReloadableCertificates) current() *certSet {
	if r == nil {
		return nil
	}
	return r.now.Load()
}

func loadAll(op string, files []CertificateFiles) ([]Certificate, error) {
	certs := make([]Certificate, len(files))
	for i, f := range files {
		cert, err := loadKeyPair(op, f.CertFile, f.KeyFile, f.Password)
		if err != nil {
			return nil, err
		}
		certs[i] = cert
		if f.OCSPFile == "" {
			continue
		}
		staple, err := os.ReadFile(f.OCSPFile)
		if err != nil {
			return nil, fail(op, err)
		}
		if err := cert.withPtr(op, func(p certPtr) error { return setStaple(op, p, staple) }); err != nil {
			if e, ok := err.(*Error); ok {
				err = inFile(e, f.OCSPFile)
			}
			return nil, err
		}
	}
	return certs, nil
}

// replace tries certs and makes them the current ones, unless a later call has been faster.
func (r *ReloadableCertificates) replace(op string, seq uint64, certs []Certificate) error {
	if len(certs) == 0 {
		return fail(op, configError("no certificates"))
	}
	for i, c := range certs {
		if c.c == nil {
			return fail(op, configError("certificate %d is empty", i))
		}
	}
	set := setOf(certs)
	r.mu.Lock()
	defer r.mu.Unlock()
	if seq < r.applied {
		return nil
	}
	if err := r.tryLocked(op, set); err != nil {
		return err
	}
	r.applied = seq
	r.now.Store(set)
	return nil
}

// tryLocked tries the set with each Ctx in use.
func (r *ReloadableCertificates) tryLocked(op string, set *certSet) error {
	for _, ctx := range r.liveLocked() {
		err := ctx.withPtr(op, func(p ctxPtr) error {
			if err := signersFit(op, ctx.query, set.certs...); err != nil {
				return err
			}
			if err := keysFit(ctx.types.own, set.certs...); err != nil {
				return fail(op, err)
			}
			return tryCertificates(op, ctx.checks, ctx.server, p, set.certs)
		})
		if err != nil && !ctx.h.isClosed() { // closed meanwhile
			return err
		}
	}
	return nil
}

// liveLocked returns the users that are still open, and forgets the others.
func (r *ReloadableCertificates) liveLocked() (live []*Ctx) {
	r.users = slices.DeleteFunc(r.users, func(w weak.Pointer[Ctx]) bool {
		ctx := w.Value()
		if ctx == nil || ctx.h.isClosed() {
			return true
		}
		live = append(live, ctx)
		return false
	})
	return live
}

// newCtx makes a Ctx that uses r. The lock makes sure that no other set becomes current
// between the trial and the Ctx's place among the users.
func (r *ReloadableCertificates) newCtx(op string, cfg *Config, server bool) (*Ctx, error) {
	if len(cfg.Certificates) > 0 {
		return nil, fail(op, configError("Certificates and ReloadableCertificates are both set"))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	set := r.current()
	if set == nil {
		return nil, fail(op, configError("ReloadableCertificates is empty: NewReloadableCertificates makes one"))
	}
	with := *cfg
	with.Certificates = set.certs // for settings that depend on their names and keys
	c, err := makeCtx(op, &with, server)
	if err != nil {
		return nil, err
	}
	c.reloadNames = set.names(c.types.own)
	c.checks = &Config{MinVersion: cfg.MinVersion, MaxVersion: cfg.MaxVersion, SecurityLevel: cfg.SecurityLevel,
		CipherSuites: slices.Clone(cfg.CipherSuites), CurvePreferences: slices.Clone(cfg.CurvePreferences),
		SignatureSchemes: slices.Clone(cfg.SignatureSchemes), GetCertificate: cfg.GetCertificate,
		GetConfigForClient: cfg.GetConfigForClient, system: c.system}
	r.liveLocked()
	r.users = append(r.users, weak.Make(c))
	return c, nil
}

// takeCertificates gives the connection the current certificates of its Ctx. mu is
// held, or no other goroutine has the connection yet.
func (c *Conn) takeCertificates(op string, p connPtr) error {
	set := c.ctx.reload.current()
	if set == nil {
		return nil
	}
	if err := c.useCertificates(op, p, set.certs); err != nil { // the SSL_CTX has none
		return err
	}
	c.setOwn(p, set.own)
	return c.followNames(op, p, set)
}
