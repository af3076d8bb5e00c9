package tickets_test

import (
	"bytes"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// What is parsed as a file of ticket keys is written so that it is parsed as the same keys.
func FuzzParseTicketKeys(f *testing.F) {
	leakcheck.Test(f)
	set := ssl.TicketKeySet{Current: ssltest.NewTicketKey(f), Next: ssltest.NewTicketKey(f),
		Old: []ssl.TicketKey{ssltest.NewTicketKey(f)}}
	text, err := set.SecretHAProxy()
	if err != nil {
		f.Fatal(err)
	}
	long := ssltest.SecretBytes(f, set.Current)
	for _, seed := range [][]byte{nil, long, long[:48], long[:79], text, text[:len(text)/3],
		bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), append(text, '\n', '\n')} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := ssl.ParseTicketKeys(data)
		if err != nil {
			if set.Current.Name() != "" {
				t.Fatal("a key beside an error")
			}
			return
		}
		if set.Next.Name() == "" {
			if b := ssltest.SecretBytes(t, set.Current); !bytes.Equal(b, data) {
				t.Fatalf("%x became %x", data, b)
			}
			return
		}
		text, err := set.SecretHAProxy()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ssl.ParseTicketKeys(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range []ssl.TicketKey{again.Current, again.Next, again.Old[0]} {
			if was := []ssl.TicketKey{set.Current, set.Next, set.Old[0]}[i]; !bytes.Equal(ssltest.SecretBytes(t, k),
				ssltest.SecretBytes(t, was)) {
				t.Fatalf("key %d was %v and is %v", i, was, k)
			}
		}
	})
}
