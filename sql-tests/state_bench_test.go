package sqltests

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// BenchmarkStateBytes says how many bytes the online store keeps of an entity
// of the NYC case, view by view: a size, not a time.
func BenchmarkStateBytes(b *testing.B) {
	withNYC(b, storm, func(ctx context.Context, _ *app.App, _ string, conn *pgx.Conn) error {
		var address string
		if err := conn.QueryRow(ctx, "SELECT current_setting('fqgw.redis')").Scan(&address); err != nil {
			return err
		}
		o, err := redis.ParseURL(address)
		if err != nil {
			return err
		}
		client := redis.NewClient(o)
		defer client.Close()
		for _, v := range nycViews {
			if v.name == "flight_risk" {
				continue // a service keeps nothing of its own
			}
			number, err := stateNumber(ctx, conn, v.name)
			if err != nil {
				return err
			}
			keys, err := client.Keys(ctx, fmt.Sprintf("fq:*}:%d:*", number)).Result()
			if err != nil {
				return err
			}
			sizes := make([]int64, len(keys))
			var sum int64
			for i, k := range keys {
				if sizes[i], err = client.StrLen(ctx, k).Result(); err != nil {
					return err
				}
				sum += sizes[i]
			}
			if len(sizes) == 0 {
				continue
			}
			slices.Sort(sizes)
			b.Run(v.name, func(b *testing.B) {
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(len(sizes)), "entities")
				b.ReportMetric(float64(sum)/float64(len(sizes)), "mean-B")
				b.ReportMetric(float64(sizes[len(sizes)/2]), "p50-B")
				b.ReportMetric(float64(sizes[len(sizes)-1]), "max-B")
			})
		}
		return nil
	})
}
