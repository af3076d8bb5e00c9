// Command exit ends as a C program does, with exit(3), while its goroutines make TLS connections:
//
//	exit CERT KEY
//
// It ends with 0 if they go on doing so when all other exit handlers are through.
package main

/*
#include <semaphore.h>
#include <stdlib.h>

#define SOME 8

static sem_t made;

static void note(void)
{
    sem_post(&made);
}

static void wait_for_some(void)
{
    int i;

    while (sem_trywait(&made) == 0)
        ;
    for (i = 0; i < SOME; i++)
        while (sem_wait(&made) != 0)
            ;
}

// Before everything else, so that its handler is called last.
__attribute__((constructor)) static void begin(void)
{
    sem_init(&made, 0, 0);
    atexit(wait_for_some);
}

static void end(void)
{
    wait_for_some();
    exit(0);
}
*/
import "C"

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"sessl/ssl"
)

func init() { runtime.LockOSThread() } // main has the main thread

func connect(cli, srv *ssl.Ctx) error {
	a, b := net.Pipe()
	c, err := ssl.Client(a, cli)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := ssl.Server(b, srv)
	if err != nil {
		return err
	}
	defer s.Close()
	defer a.Close() // first, so that neither waits for the other's farewell
	defer b.Close()
	shaken := make(chan error, 1)
	go func() { shaken <- c.Handshake() }()
	if err := s.Handshake(); err != nil {
		return err
	}
	return <-shaken
}

func main() {
	time.AfterFunc(20*time.Second, func() { os.Exit(13) }) // else a hang would stay
	pair, err := ssl.LoadX509KeyPair(os.Args[1], os.Args[2])
	if err != nil {
		panic(err)
	}
	srv, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{pair}})
	if err != nil {
		panic(err)
	}
	cli, err := ssl.NewClientCtx(&ssl.Config{InsecureSkipVerify: true})
	if err != nil {
		panic(err)
	}
	for range 4 {
		go func() {
			for {
				if err := connect(cli, srv); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(12) // without any handler
				}
				C.note()
			}
		}()
	}
	C.end()
}
