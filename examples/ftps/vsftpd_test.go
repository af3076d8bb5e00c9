package main

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sessl/internal/ssltest"
)

// patience bounds waits that would otherwise hang. No test waits for it.
const patience = 60 * time.Second

// vsftpd is the real server. Like inetd, this process accepts and starts one vsftpd for each
// control connection. The port is therefore always known, and no server is left behind.
type vsftpd struct {
	addr string
	root string // the directory in which its users begin
	log  string
	pass string // of the user anonymous; no other process on this machine knows it

	config string
	l      net.Listener
	ended  sync.WaitGroup
}

// startVsftpd lets the test read and write in root, over TLS only, and refuses transfers on
// connections that do not reuse the control connection's session. It needs no privileges, and
// has no chroot: users only begin in root.
func startVsftpd(t *testing.T, implicit bool) *vsftpd {
	t.Helper()
	if _, err := exec.LookPath(vsftpdProgram); err != nil {
		t.Fatalf("%v: run `make deps-interop` in the root of the tree", err)
	}
	dir := t.TempDir()
	s := &vsftpd{root: filepath.Join(dir, "root"), log: filepath.Join(dir, "log"),
		config: filepath.Join(dir, "conf"), pass: rand.Text()}
	for _, d := range []string{"root", "empty"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	passwords := filepath.Join(dir, "passwords")
	if err := os.WriteFile(passwords, []byte(s.pass+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	conf := []string{
		"listen=NO", "run_as_launching_user=YES", "secure_chroot_dir=" + filepath.Join(dir, "empty"),
		"anonymous_enable=YES", "local_enable=NO", "ftp_username=" + me.Username, "anon_root=" + s.root,
		"secure_email_list_enable=YES", "email_password_file=" + passwords,
		"write_enable=YES", "anon_upload_enable=YES", "anon_umask=022",
		"ssl_enable=YES", "allow_anon_ssl=YES", "force_anon_logins_ssl=YES", "force_anon_data_ssl=YES",
		"require_ssl_reuse=YES", "implicit_ssl=" + map[bool]string{true: "YES", false: "NO"}[implicit],
		// Neither side takes a cut connection for the end of a file.
		"strict_ssl_read_eof=YES", "strict_ssl_write_shutdown=YES",
		"ssl_ciphers=HIGH", "rsa_cert_file=" + ssltest.CertFile("server-rsa.pem"),
		"rsa_private_key_file=" + ssltest.CertFile("server-rsa.key"),
		"xferlog_enable=YES", "dual_log_enable=YES", "vsftpd_log_file=" + s.log,
		"xferlog_file=" + filepath.Join(dir, "xferlog"),
		"log_ftp_protocol=YES", "debug_ssl=YES",
		"idle_session_timeout=60", "data_connection_timeout=60", "accept_timeout=60",
	}
	if err := os.WriteFile(s.config, []byte(strings.Join(conf, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if s.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.addr = s.l.Addr().String()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.ended.Go(func() { s.serve(ctx, t) })
	t.Cleanup(func() {
		s.l.Close()
		cancel()
		s.ended.Wait()
		if t.Failed() {
			t.Logf("log of vsftpd:\n%s", s.logged(t))
		}
	})
	return s
}

const vsftpdProgram = "/usr/sbin/vsftpd"

func (s *vsftpd) serve(ctx context.Context, t *testing.T) {
	for {
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		socket, err := conn.(*net.TCPConn).File()
		conn.Close()
		if err != nil {
			t.Error(err)
			return
		}
		cmd := exec.CommandContext(ctx, vsftpdProgram, s.config)
		cmd.Stdin, cmd.Stdout = socket, socket
		// vsftpd ends its own children. This ends them all, also when this process ends.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		err = cmd.Start()
		socket.Close()
		if err != nil {
			t.Error(err)
			return
		}
		s.ended.Go(func() { cmd.Wait() }) // status 2 means that the client has gone, which is no failure
	}
}

// logged returns what the server has logged so far.
func (s *vsftpd) logged(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
