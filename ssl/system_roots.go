package ssl

import (
	"cmp"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// hashSystemRoots feeds to h what OpenSSL's defaults are now: the content of the file, and the
// names in the directories, which begin with the hashes of subjects. When a root has gone, new
// Ctxs are to resume nothing that was verified by it.
func hashSystemRoots(h hash.Hash) {
	file, dirs := defaultRoots()
	if f, err := os.Open(cmp.Or(os.Getenv("SSL_CERT_FILE"), file)); err == nil {
		io.Copy(h, io.LimitReader(f, 64<<20))
		f.Close()
	}
	for _, dir := range filepath.SplitList(cmp.Or(os.Getenv("SSL_CERT_DIR"), dirs)) {
		names, _ := os.ReadDir(dir) // sorted; what cannot be read is trusted by nobody
		for _, name := range names {
			fmt.Fprintf(h, "%q;", name.Name())
		}
	}
}
