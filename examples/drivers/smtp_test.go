package drivers

import (
	"context"
	"net/smtp"
	"regexp"
	"slices"
	"syscall"
	"testing"

	"sessl/internal/leakcheck"
)

// startExim starts a server that takes mail for anyone, from clients that have logged in with TLS, and
// leaves it in its queue.
func startExim(t *testing.T) *program {
	t.Helper()
	p := newProgram(t, true)
	config := p.write("exim.conf", `
primary_hostname = localhost
exim_user = %[2]d
exim_group = %[3]d
spool_directory = %[1]s
log_file_path = %[1]s/log.%%s
keep_environment =
log_selector = +tls_cipher +tls_resumption +smtp_connection
tls_advertise_hosts = *
tls_certificate = %[1]s/server-ecdsa.pem
tls_privatekey = %[1]s/server-ecdsa.key
tls_resumption_hosts = *
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
acl_smtp_rcpt = rcpt
queue_only
begin acl
rcpt:
  accept authenticated = *
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{gopher}}{eq{$auth3}{secret}}}}
  server_set_id = $auth2
`, p.dir, p.uid(), p.gid())

	p.start(syscall.SIGTERM, "/usr/sbin/exim4", "-C", config, "-bdf", "-oX", "127.0.0.1:"+p.port())
	return p
}

// sendMail is what smtp.SendMail does.
func sendMail(c *smtp.Client, auth smtp.Auth) error {
	if err := c.Auth(auth); err != nil {
		return err
	}
	if err := c.Mail("gopher@localhost"); err != nil {
		return err
	}
	if err := c.Rcpt("you@localhost"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte("Subject: hello\r\n\r\nhello\r\n")); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

func TestSMTP(t *testing.T) {
	leakcheck.Test(t)
	p := startExim(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := clientCtx(t, "localhost")
	auth := smtp.PlainAuth("", "gopher", "secret", "127.0.0.1")
	for i := range 2 {
		c, conn, err := dialSMTP(ctx, client, p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := sendMail(c, overTLS{auth}); err != nil {
			t.Error(err)
		}
		p.await(i+1, "A=plain:gopher")
	}
	wantResumed(t, client, 2)
	// The server marks resumptions by an asterisk behind the cipher.
	var marks []string
	received := regexp.MustCompile(`<= gopher@localhost .* X=TLS1\.3:\S+:\d+(\*?) `)
	for _, m := range received.FindAllStringSubmatch(p.logged(), -1) {
		marks = append(marks, m[1])
	}
	if !slices.Equal(marks, []string{"", "*"}) {
		t.Errorf("the server marks resumptions %q, want the second", marks)
	}
}
