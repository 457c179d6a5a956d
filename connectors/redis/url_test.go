package redis

import (
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestConnect(t *testing.T) {
	client := func(u string) redis.UniversalClient {
		t.Helper()
		c, err := connect(u)
		if err != nil {
			t.Fatalf("%s: %v", u, err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for _, tls := range []bool{false, true} {
		scheme := map[bool]string{false: "redis", true: "rediss"}[tls]
		o := client(scheme + "://ann:p%40ss@h:1/3?pool_size=7").(*redis.Client).Options()
		if o.Addr != "h:1" || o.Username != "ann" || o.Password != "p@ss" || o.DB != 3 || o.PoolSize != 7 || (o.TLSConfig != nil) != tls || !o.ContextTimeoutEnabled {
			t.Errorf("%s: %+v", scheme, o)
		}
		c := client(scheme + "+cluster://ann:pass@a:1,b:2,c:3").(*redis.ClusterClient).Options()
		if !slices.Equal(c.Addrs, []string{"a:1", "b:2", "c:3"}) || c.Username != "ann" || c.Password != "pass" || (c.TLSConfig != nil) != tls || !c.ContextTimeoutEnabled {
			t.Errorf("%s cluster: %+v", scheme, c)
		}
		for u, want := range map[string][2]string{"+sentinel://fqgw@a:1,b:2": {"", ""}, "+sentinel://fqgw:pass@a:1": {"", "pass"}, "+sentinel://ann:p%40ss@a:1,b:2/fqgw": {"ann", "p@ss"}, "+sentinel://a:1/fqgw?db=2": {"", ""}} {
			s := client(scheme + u).(*redis.Client).Options()
			if s.Addr != "FailoverClient" || [2]string{s.Username, s.Password} != want || (s.TLSConfig != nil) != tls || !s.ContextTimeoutEnabled {
				t.Errorf("%s%s: %+v", scheme, u, s)
			}
		}
	}
	if o := client("redis://h").(*redis.Client).Options(); o.Addr != "h:6379" {
		t.Errorf("the default port: %s", o.Addr)
	}
}
