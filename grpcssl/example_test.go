package grpcssl_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"sessl/grpcssl"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// exampleHealthServer serves on loopback; stop ends it.
func exampleHealthServer() (addr string, stop func()) {
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		log.Fatal(err)
	}
	creds, err := grpcssl.NewServerCredentials(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	srv := grpc.NewServer(grpc.Creds(creds))
	healthpb.RegisterHealthServer(srv, health.NewServer())
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(l)
	}()
	return l.Addr().String(), func() {
		srv.Stop()
		<-done
		creds.Close()
	}
}

// A server whose handlers see the connection.
func ExampleNewServerCredentials() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	creds, err := grpcssl.NewServerCredentials(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	defer creds.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	who := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		conn, _ := grpcssl.ConnFromContext(ctx)
		state := conn.ConnectionState()
		fmt.Println(ssl.VersionName(state.Version), state.NegotiatedProtocol, "resumed:", state.DidResume)
		return h(ctx, req)
	}
	srv := grpc.NewServer(grpc.Creds(creds), grpc.UnaryInterceptor(who))
	healthpb.RegisterHealthServer(srv, health.NewServer())
	done := make(chan error)
	go func() { done <- srv.Serve(l) }()

	fmt.Println(check(l.Addr().String()))
	srv.GracefulStop()
	fmt.Println(<-done)
	// Output:
	// TLS 1.3 h2 resumed: false
	// SERVING
	// <nil>
}

// check is a client for ExampleNewServerCredentials.
func check(addr string) healthpb.HealthCheckResponse_ServingStatus {
	roots, err := ssl.LoadCertPool(ssltest.CertFile("ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	creds, err := grpcssl.NewClientCredentials(&ssl.Config{RootCAs: roots})
	if err != nil {
		log.Fatal(err)
	}
	defer creds.Close()
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		log.Fatal(err)
	}
	defer cc.Close()
	resp, err := healthpb.NewHealthClient(cc).Check(context.Background(), &healthpb.HealthCheckRequest{})
	if err != nil {
		log.Fatal(err)
	}
	return resp.Status
}

// A client for the same server.
func ExampleNewClientCredentials() {
	addr, stop := exampleHealthServer()
	defer stop()
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	creds, err := grpcssl.NewClientCredentials(&ssl.Config{RootCAs: roots})
	if err != nil {
		log.Fatal(err)
	}
	defer creds.Close()
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		log.Fatal(err)
	}
	defer cc.Close()
	resp, err := healthpb.NewHealthClient(cc).Check(context.Background(), &healthpb.HealthCheckRequest{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Status)
	// Output: SERVING
}

// RPCs have only the text of an error; the Ctx has the error.
func ExampleCredentials_Ctx() {
	addr, stop := exampleHealthServer()
	defer stop()
	roots, err := ssl.LoadCertPool(ssltest.CertFile("other-ca.pem")) // not the server's
	if err != nil {
		log.Fatal(err)
	}
	creds, err := grpcssl.NewClientCredentials(&ssl.Config{RootCAs: roots})
	if err != nil {
		log.Fatal(err)
	}
	defer creds.Close()
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		log.Fatal(err)
	}
	defer cc.Close()
	_, err = healthpb.NewHealthClient(cc).Check(context.Background(), &healthpb.HealthCheckRequest{})
	fmt.Println(status.Code(err))
	var refused *ssl.VerificationError
	if errors.As(creds.Ctx().LastFailures()[0].Err, &refused) {
		fmt.Println(refused.Reason)
	}
	// Output:
	// Unavailable
	// unable to get local issuer certificate
}

// The second channel of the same credentials resumes the session of the first automatically.
// The cache is explicit so that others can share it.
func ExampleWithSessionCache() {
	addr, stop := exampleHealthServer()
	defer stop()
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	cache, got := ssl.NewClientSessionCache(1000), make(chan struct{}, 10)
	defer cache.Close()
	creds, err := grpcssl.NewClientCredentials(&ssl.Config{
		RootCAs: roots,
		OnNewSession: func(_ *ssl.Conn, s *ssl.Session) { // the cache already has its own
			s.Close()
			got <- struct{}{}
		},
	}, grpcssl.WithSessionCache(cache))
	if err != nil {
		log.Fatal(err)
	}
	defer creds.Close()
	for range 2 {
		cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
		if err != nil {
			log.Fatal(err)
		}
		var p peer.Peer
		_, err = healthpb.NewHealthClient(cc).Check(context.Background(), &healthpb.HealthCheckRequest{},
			grpc.Peer(&p))
		if err != nil {
			log.Fatal(err)
		}
		conn, _ := grpcssl.ConnFromPeer(&p)
		fmt.Println("reused:", conn.SessionReused())
		<-got // TLS 1.3 tickets arrive with data
		cc.Close()
	}
	// Output:
	// reused: false
	// reused: true
}
