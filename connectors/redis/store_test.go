package redis_test

import (
	"os"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/redis"
	"github.com/fqgw/fqgw/connectors/storetest"
)

func open(address string) func(t *testing.T) fqgw.OnlineStore {
	return func(t *testing.T) fqgw.OnlineStore {
		s, err := redis.Open(t.Context(), address, 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
}

func TestConformance(t *testing.T) {
	storetest.Online(t, open("redis://"+miniredis.RunT(t).Addr()))
}

// TestConformanceReal runs on the servers that FQGW_TEST_REDIS and
// FQGW_TEST_REDIS_CLUSTER name.
func TestConformanceReal(t *testing.T) {
	for name, address := range map[string]string{"redis": os.Getenv("FQGW_TEST_REDIS"), "cluster": os.Getenv("FQGW_TEST_REDIS_CLUSTER")} {
		if address == "" {
			t.Logf("no %s is named: only the embedded run", name)
			continue
		}
		if name == "cluster" {
			address = "redis+cluster://" + address
		}
		t.Run(name, func(t *testing.T) { storetest.Online(t, open(address)) })
	}
}

func TestOpenBad(t *testing.T) {
	for _, c := range []struct {
		address string
		code    fqgw.Code
	}{{"redis://127.0.0.1:1", fqgw.CodeConnectionFailure}, {"http://x", fqgw.CodeInvalidParameter}, {"redis://user:secret@host:bad", fqgw.CodeInvalidParameter}} {
		_, err := redis.Open(t.Context(), c.address, 64)
		e := fqgw.AsError(err)
		if err == nil || e.Code != c.code {
			t.Errorf("%s: %v", c.address, err)
		}
	}
}

// A server that lost its scripts learns them again within the flush.
func TestScriptsLost(t *testing.T) {
	m := miniredis.RunT(t)
	s := open("redis://" + m.Addr())(t)
	u := fqgw.Unit{View: "v", State: 1}
	for i := range int64(3) {
		m.FlushAll()
		m.Restart()
		k, _ := fqgw.EncodeKey(fqgw.IntValue(i))
		r, err := s.Flush(t.Context(), []fqgw.UnitFlush{{Unit: u, Keys: []fqgw.EntityKey{k}, States: [][]byte{{1}}}})
		if err != nil || !r[0].OK {
			t.Fatalf("flush %d: %v, %v", i, r, err)
		}
	}
}
