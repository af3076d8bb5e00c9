package ssl

import (
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"weak"
)

// ReloadableCertificates are certificates that can be replaced while servers and clients go
// on: see [Config].ReloadableCertificates. Nothing watches files: the application calls
// Reload or Replace, on a signal or after a renewal.
//
// A connection shows what was there when Client or Server made it, or when
// GetConfigForClient chose its Ctx, to its end; the next one has the new certificates. Both
// old and new ones can be in use at the same time, and an old one is freed, and its key
// wiped, when neither a connection nor a Certificate of the application has it any more.
//
// Sessions are not touched, for a resumption shows no certificate: those made with the old
// certificates go on being resumed with the new ones, as the Ctx keeps the session id context
// and, for a client, the configuration that it was made with. Only where the new ones have
// other names, and the Config has no SessionIDContext, a server begins anew. Where the old
// certificates must not count any more, after a key was stolen, make a new Ctx with a
// SessionIDContext of its own.
//
// The methods may be called from several goroutines at once. The value must not be copied.
type ReloadableCertificates struct {
	files []CertificateFiles
	now   atomic.Pointer[certSet]
	seq   atomic.Uint64 // of calls to Reload and Replace

	mu      sync.Mutex // nothing of the application runs under it
	applied uint64     // the call whose certificates are in use
	users   []weak.Pointer[Ctx]
}

// CertificateFiles names what makes one Certificate.
type CertificateFiles struct {
	CertFile, KeyFile string // see [LoadX509KeyPair]

	// OCSPFile, if set, has an OCSP response in DER for [Certificate.SetOCSPStaple].
	OCSPFile string

	// Password, if set, opens an encrypted key: see [X509KeyPairWithPassword].
	Password func() ([]byte, error)
}

// certSet is immutable.
type certSet struct {
	certs []Certificate
	own   []*ownChain
	names []string // in them
}

// NewReloadableCertificates begins with certs, and with no files: only Replace changes them.
// None, or an empty one among them, is ErrConfig.
func NewReloadableCertificates(certs ...Certificate) (*ReloadableCertificates, error) {
	r := &ReloadableCertificates{}
	if err := r.replace("NewReloadableCertificates", 0, certs); err != nil {
		return nil, err
	}
	return r, nil
}

// LoadReloadableCertificates reads the certificates of files, which Reload reads again.
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

// Reload reads the files again, and has new connections use what is in them. The new
// certificates are tried first, as a set: each must be whole and have its key and, with
// OCSPFile, its staple, and each Ctx in use that has r must take them with its other settings
// (SSL_use_cert_and_key). On any error all stays as it is. Of several calls at once the one
// that began last counts; one that is overtaken changes nothing, and is no error.
//
// Errors are those of LoadX509KeyPairWithPassword and NewServerCtx, and ErrConfig where there
// are no files. An OCSP response for the old certificate is one, so write all files first.
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

// Replace is Reload with certs instead of what is in the files.
func (r *ReloadableCertificates) Replace(certs ...Certificate) error {
	const op = "ReloadableCertificates.Replace"
	if r == nil {
		return fail(op, ErrNil)
	}
	return r.replace(op, r.seq.Add(1), certs)
}

// Certificates returns those that new connections get.
func (r *ReloadableCertificates) Certificates() []Certificate {
	set := r.current()
	if set == nil {
		return nil
	}
	return slices.Clone(set.certs)
}

// current is nil for a value that was not made by a function of this package.
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
			return nil, err
		}
	}
	return certs, nil
}

// replace tries certs and puts them in the place of what there is, unless a later call has
// been faster.
func (r *ReloadableCertificates) replace(op string, seq uint64, certs []Certificate) error {
	if len(certs) == 0 {
		return fail(op, configError("no certificates"))
	}
	for i, c := range certs {
		if c.c == nil {
			return fail(op, configError("certificate %d is empty", i))
		}
	}
	set := &certSet{certs: slices.Clone(certs), own: chainsOf(certs), names: namesInAll(certs)}
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

// tryLocked has each Ctx in use say whether the set would do.
func (r *ReloadableCertificates) tryLocked(op string, set *certSet) error {
	for _, ctx := range r.liveLocked() {
		err := ctx.withPtr(op, func(p ctxPtr) error {
			return tryCertificates(op, ctx.checks, ctx.server, p, set.certs)
		})
		if err != nil && !ctx.h.isClosed() { // closed since
			return err
		}
	}
	return nil
}

// liveLocked are the users that are still open; the others are forgotten.
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

// newCtx makes a Ctx that uses r. No set comes between the one that it was tried with and
// its place among the users.
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
	with.Certificates = set.certs // for what depends on their names and keys
	c, err := makeCtx(op, &with, server)
	if err != nil {
		return nil, err
	}
	c.reloadNames = set.names
	c.checks = &Config{MinVersion: cfg.MinVersion, MaxVersion: cfg.MaxVersion, SecurityLevel: cfg.SecurityLevel,
		CipherSuites: slices.Clone(cfg.CipherSuites), CurvePreferences: slices.Clone(cfg.CurvePreferences),
		SignatureSchemes: slices.Clone(cfg.SignatureSchemes), GetCertificate: cfg.GetCertificate, GetConfigForClient: cfg.GetConfigForClient, system: c.system}
	r.liveLocked()
	r.users = append(r.users, weak.Make(c))
	return c, nil
}

// takeCertificates gives the connection those of its Ctx, as they are now. mu is held, or
// nobody else has the connection yet.
func (c *Conn) takeCertificates(op string, p connPtr) error {
	c.own = c.ctx.own
	set := c.ctx.reload.current()
	if set == nil {
		return nil
	}
	if err := c.useCertificates(op, p, set.certs); err != nil { // the SSL_CTX has none
		return err
	}
	c.own = set.own
	return c.followNames(op, p, set)
}
