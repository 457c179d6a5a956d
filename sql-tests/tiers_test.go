package sqltests

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw/connectors/embedded"
)

// emptyRedis is the URL of a Redis without keys: the one of FQGW_TEST_REDIS, which is
// emptied again, or an embedded one.
func emptyRedis(t *testing.T) string {
	t.Helper()
	url := os.Getenv("FQGW_TEST_REDIS")
	if url == "" {
		r, err := embedded.StartRedis("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return "redis://" + r.Addr
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	if n, err := c.DBSize(t.Context()).Result(); err != nil || n > 0 {
		t.Fatalf("the Redis of FQGW_TEST_REDIS must be empty; it has %d keys, %v", n, err)
	}
	t.Cleanup(func() {
		c.FlushDB(context.Background())
		c.Close()
	})
	return url
}

// TestCrashCold is TestCrash where Redis outlives fqgw, and what can go to the lake is sent
// there again and again. The answers, and the states when
// reads have brought them back, are those of an undisturbed run that keeps all.
func TestCrashCold(t *testing.T) {
	ctx := t.Context()
	begun := time.Now()
	want := undisturbed(t, ctx)
	took := time.Since(begun)
	for round, fault := range []string{"mid-flush:5", "", "after-flush:6"} {
		t.Run(fmt.Sprintf("%d %s", round, fault), func(t *testing.T) {
			run := crashRun{cold: crashUsers, beside: vacuums, options: []string{"-redis", emptyRedis(t), "-shards", "64"}}
			for _, sql := range crashDefinitions {
				run.definitions = append(run.definitions, strings.Replace(sql, "sums AS SELECT", "sums WITH (retain = '1 second') AS SELECT", 1))
			}
			crashRound(t, ctx, fault, want, took, run)
		})
	}
}

// vacuums sends what is cold to the lake again and again, until ctx ends or p dies.
func vacuums(ctx context.Context, p *process) {
	for ctx.Err() == nil {
		conn, err := p.connect(ctx)
		if err != nil {
			return
		}
		for err == nil && ctx.Err() == nil {
			_, err = conn.Exec(ctx, "VACUUM tap_sums")
			time.Sleep(20 * time.Millisecond)
		}
		conn.Close(context.WithoutCancel(ctx))
	}
}
