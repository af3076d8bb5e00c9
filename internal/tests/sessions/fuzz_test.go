package sessions_test

import (
	"encoding/pem"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func FuzzParseSession(f *testing.F) {
	leakcheck.Test(f)
	for _, der := range ssltest.Seeds(f) {
		f.Add(der)
		f.Add(der[:len(der)/2])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := ssl.ParseSession(der)
		if err != nil {
			if s != nil {
				t.Fatal("a session and an error")
			}
			return
		}
		ssltest.Settles(t, s)
	})
}

func FuzzParseSessionPEM(f *testing.F) {
	leakcheck.Test(f)
	for _, der := range ssltest.Seeds(f) {
		f.Add(pem.EncodeToMemory(&pem.Block{Type: ssltest.PEMType, Bytes: der}))
	}
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}}))
	f.Add([]byte("-----BEGIN " + ssltest.PEMType +
		"-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END " + ssltest.PEMType + "-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ssl.ParseSessionPEM(text)
		if err != nil {
			if s != nil {
				t.Fatal("a session and an error")
			}
			return
		}
		ssltest.Settles(t, s)
	})
}
