package peers

import (
	"context"
	"net"
	"net/rpc"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// storeService is the store's end of the socket. net/rpc calls its methods.
type storeService struct{ store *ssltest.MemStore }

// putTakes is longer than a client takes to come back. If the server does not wait for the store,
// sessions are missing.
const putTakes = 5 * time.Millisecond

// Put keeps one session, a little later.
func (s *storeService) Put(item ssl.StoreItem, _ *bool) error {
	<-time.After(putTakes)
	return s.store.Put(context.Background(), item.ID, item.Sealed, item.Expires)
}

// Get answers with an empty value for what is not there.
func (s *storeService) Get(id []byte, sealed *[]byte) (err error) {
	*sealed, err = s.store.Get(context.Background(), id)
	return err
}

// Remove forgets one session.
func (s *storeService) Remove(id []byte, _ *bool) error {
	return s.store.Remove(context.Background(), id)
}

// startStore serves an empty store on loopback.
func startStore(t *testing.T) (addr string) {
	t.Helper()
	srv := rpc.NewServer()
	if err := srv.RegisterName("Store", &storeService{ssltest.NewMemStore()}); err != nil {
		t.Fatal(err)
	}
	return acceptAll(t, func(_ int, c net.Conn) { srv.ServeConn(c) })
}

// socketStore is the same store as a process of the fleet sees it.
type socketStore struct{ client *rpc.Client }

func (s socketStore) call(ctx context.Context, method string, arg, reply any) error {
	select {
	case c := <-s.client.Go("Store."+method, arg, reply, make(chan *rpc.Call, 1)).Done:
		return c.Error
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s socketStore) Put(ctx context.Context, id, sealed []byte, expires time.Time) error {
	return s.call(ctx, "Put", ssl.StoreItem{ID: id, Sealed: sealed, Expires: expires}, new(bool))
}

func (s socketStore) Get(ctx context.Context, id []byte) ([]byte, error) {
	sealed := new([]byte)
	if err := s.call(ctx, "Get", id, sealed); err != nil || len(*sealed) == 0 {
		return nil, err
	}
	return *sealed, nil
}

func (s socketStore) Remove(ctx context.Context, id []byte) error {
	return s.call(ctx, "Remove", id, new(bool))
}
