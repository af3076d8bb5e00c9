package ssl_test

import (
	"fmt"
	"sync/atomic"
	"time"

	"sessl/ssl"
)

// boundStore is a store whose sessions belong to one fleet and one generation.
type boundStore struct {
	mapStore
	generation atomic.Uint64 // which the machines agree on by other means
}

func (b *boundStore) Binding() (string, error) { return fmt.Sprint("shop ", b.generation.Load()), nil }

// All sessions in a store become void at once when what they are bound to changes. The caches before it are
// flushed.
func ExampleSessionBindingStore() {
	store := &boundStore{}
	revokeAll := func(caches ...*ssl.ServerSessionCache) {
		store.generation.Add(1)
		for _, c := range caches {
			c.Flush(time.Time{})
		}
	}
	revokeAll()
	fmt.Println(store.Binding())
	// Output: shop 1 <nil>
}
