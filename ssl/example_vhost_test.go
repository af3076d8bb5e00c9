package ssl_test

import (
	"fmt"
	"log"
	"net"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A server for two hosts, each with a Ctx of its own.
func ExampleConfig_getConfigForClient() {
	hosts := map[string]*ssl.Ctx{}
	for name, file := range map[string]string{"a.test": "a-test", "b.test": "b-test"} {
		cert, err := ssl.LoadX509KeyPair(ssltest.CertFile(file+".pem"), ssltest.CertFile(file+".key"))
		if err != nil {
			log.Fatal(err)
		}
		ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
		if err != nil {
			log.Fatal(err)
		}
		defer ctx.Close()
		hosts[name] = ctx
	}
	const unrecognizedName = 112
	server, err := ssl.NewServerCtx(&ssl.Config{
		GetConfigForClient: func(hello *ssl.ClientHelloInfo) (*ssl.Ctx, error) {
			if ctx, ok := hosts[hello.ServerName]; ok {
				return ctx, nil
			}
			return nil, ssl.AlertError(unrecognizedName)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	client, err := ssl.NewClientCtx(&ssl.Config{ServerName: "b.test", InsecureSkipVerify: true}) // only to look
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	near, far := net.Pipe()
	go func() {
		c, err := ssl.Server(far, server)
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		c.Handshake()
		c.Read(make([]byte, 1))
	}()
	c, err := ssl.Client(near, client)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.Handshake(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.ConnectionState().PeerCertificates[0].DNSNames)
	// Output: [b.test]
}
