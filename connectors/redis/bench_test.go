package redis_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
)

// BenchmarkRead reads one entity at a time on the server that FQGW_TEST_REDIS
// names (else on nothing), beside a bare GET of the same bytes: compare within one run.
//
//	go test -run '^$' -bench Read ./connectors/redis
func BenchmarkRead(b *testing.B) {
	address := os.Getenv("FQGW_TEST_REDIS")
	if address == "" {
		b.Skip("FQGW_TEST_REDIS names no server")
	}
	s := open(b, address)
	o, err := goredis.ParseURL(address)
	if err != nil {
		b.Fatal(err)
	}
	bare := goredis.NewClient(o)
	defer bare.Close()
	ctx := context.Background()
	const entities = 1000
	state := time.Now().UnixNano()
	reads := make([][]fqgw.UnitRead, entities)
	for i := range reads {
		k, _ := fqgw.EncodeKey(fqgw.IntValue(int64(i)))
		u := fqgw.Unit{State: state, Shard: k.Shard(s.Shards())}
		reads[i] = []fqgw.UnitRead{{Unit: u, Keys: []fqgw.EntityKey{k}}}
		if _, err := s.Flush(ctx, []fqgw.UnitFlush{{Unit: u, Keys: reads[i][0].Keys, States: [][]byte{make([]byte, 300)}}}); err != nil {
			b.Fatal(err)
		}
		bare.Set(ctx, fmt.Sprint("bench", state, i), make([]byte, 300), time.Minute)
	}
	b.Cleanup(func() { s.Drop(ctx, state) })
	for _, c := range []int{1, 16, 64} {
		for name, f := range map[string]func(i int) error{
			"bare": func(i int) error { return bare.Get(ctx, fmt.Sprint("bench", state, i)).Err() },
			"read": func(i int) error {
				got, err := s.Read(ctx, reads[i])
				if err == nil && len(got[0].States[0]) != 300 {
					err = fmt.Errorf("entity %d reads as %v", i, got)
				}
				return err
			},
		} {
			b.Run(fmt.Sprintf("%s/%d", name, c), func(b *testing.B) {
				b.ReportAllocs()
				var next atomic.Int64
				var wg sync.WaitGroup
				for range c {
					wg.Go(func() {
						for {
							n := next.Add(1)
							if n > int64(b.N) {
								return
							}
							if err := f(int(n) % entities); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
