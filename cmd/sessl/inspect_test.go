package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

var golden, _ = filepath.Glob("../../testdata/sessions/1.1.1-*.pem") // every version reads them

var secretLine = regexp.MustCompile(`(?m)^    (Master-Key|Resumption PSK): .*$`)

// The text is that of openssl sess_id except for the secret.
func TestInspectText(t *testing.T) {
	if len(golden) != 4 {
		t.Fatalf("%d golden sessions", len(golden))
	}
	for _, file := range golden {
		t.Run(filepath.Base(file), func(t *testing.T) {
			leakcheck.Test(t)
			got := sessl(t, "inspect", file).want(t, exitOK).out
			theirs := finish(t, openssl(t, "sess_id", "-in", file, "-noout", "-text")).want(t, 0).out
			want := secretLine.ReplaceAllString(theirs, "")
			if !strings.HasPrefix(secretLine.ReplaceAllString(got, ""), want) {
				t.Errorf("inspect:\n%s\nopenssl:\n%s", got, theirs)
			}
			if line := secretLine.FindString(got); line == "" ||
				strings.Trim(line[strings.Index(line, ":")+1:], " x") != "" {
				t.Errorf("the line of the secret is %q", line)
			}
			if !strings.Contains(got, "\nResumable   : no, expired 20") ||
				!strings.Contains(got, "\nPeer        : CN=") {
				t.Errorf("the summary is missing in\n%s", got)
			}
		})
	}
}

func TestInspectJSON(t *testing.T) {
	for _, file := range golden {
		t.Run(filepath.Base(file), func(t *testing.T) {
			leakcheck.Test(t)
			pem, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := ssl.ParseSessionPEM(pem)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			key, err := s.SecretMasterKey()
			if err != nil || len(key) == 0 {
				t.Fatal(len(key), err)
			}
			cmd := program(t, "inspect", "--json", "-")
			cmd.Stdin = strings.NewReader(string(pem))
			r := finish(t, cmd).want(t, exitOK)
			if strings.Contains(strings.ToLower(r.out), hex.EncodeToString(key)) {
				t.Error("the secret is in the output")
			}
			d := json.NewDecoder(strings.NewReader(r.out))
			d.DisallowUnknownFields()
			var got description
			if err := d.Decode(&got); err != nil {
				t.Fatal(err)
			}
			id, err := s.ID()
			if err != nil {
				t.Fatal(err)
			}
			ticket, _ := s.HasTicket()
			if got.SessionID != hex.EncodeToString(id) || !got.Expired || !got.Resumable ||
				(got.Ticket != nil) != ticket ||
				got.Peer == nil || !strings.HasPrefix(got.Peer.Subject, "CN=") || len(got.Peer.SHA256) != 64 ||
				got.Expires.Sub(got.Created).Seconds() != float64(got.TimeoutSeconds) {
				t.Errorf("%s\n%+v", s, got)
			}
			if v, _ := s.ProtocolVersion(); got.Protocol != ssl.VersionName(v) {
				t.Errorf("protocol %s", got.Protocol)
			}
			for _, name := range []string{"protocol", "cipher", "session_id", "session_id_context", "created",
				"timeout_seconds", "expires",
				"expired", "resumable", "ticket", "max_early_data", "alpn", "server_name", "peer"} {
				if !strings.Contains(r.out, `  "`+name+`":`) {
					t.Errorf("no field %s in\n%s", name, r.out)
				}
			}
		})
	}
}
