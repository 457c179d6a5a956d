package app

import (
	"fmt"
	"strings"
	"time"
)

// metrics is the Prometheus text of what the stream and the sessions do; times
// are seconds.
func (a *App) metrics() string {
	var b strings.Builder
	head := func(name, kind, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	status := a.pipeline.Status()
	perPartition := func(name, kind, help string, value func(i int) float64) {
		head(name, kind, help)
		for i, s := range status {
			fmt.Fprintf(&b, "%s{source=%q,partition=\"%d\"} %g\n", name, s.Source, s.Partition, value(i))
		}
	}
	perPartition("fqgw_stream_lag_records", "gauge", "Records in the log that are not readable online yet.", func(i int) float64 { return float64(status[i].Lag()) })
	perPartition("fqgw_stream_applied_offset", "gauge", "Offset after the last record that is readable online.", func(i int) float64 { return float64(status[i].Applied) })
	perPartition("fqgw_stream_landed_offset", "gauge", "Offset after the last record in the history.", func(i int) float64 { return float64(status[i].Landed) })
	perPartition("fqgw_stream_freshness_seconds", "gauge", "Time from the append of the last flushed record until it was readable.", func(i int) float64 { return float64(status[i].Freshness) / 1e6 })
	perPartition("fqgw_stream_paused", "gauge", "1 when the partition stands.", func(i int) float64 {
		if status[i].Paused != "" {
			return 1
		}
		return 0
	})
	perPartition("fqgw_stream_rejected_total", "counter", "Records that the gate refused.", func(i int) float64 { return float64(status[i].Rejected) })
	perPartition("fqgw_stream_null_keys_total", "counter", "Events with a NULL join key, per view that they do not belong to.", func(i int) float64 { return float64(status[i].NullKeys) })
	perPartition("fqgw_stream_expression_errors_total", "counter", "Row expressions that raised and gave NULL.", func(i int) float64 { return float64(status[i].EvalErrors) })
	head("fqgw_clock_seconds", "gauge", "The clock that T is read from.")
	fmt.Fprintf(&b, "fqgw_clock_seconds %.6f\n", float64(a.clock.Now())/1e6)
	head("fqgw_sessions", "gauge", "Open sessions.")
	fmt.Fprintf(&b, "fqgw_sessions %d\n", a.planner.Sessions())
	head("fqgw_catalog_version", "gauge", "Version of the catalog.")
	fmt.Fprintf(&b, "fqgw_catalog_version %d\n", a.engine.Catalog().Version)
	head("fqgw_start_time_seconds", "gauge", "When the process started.")
	fmt.Fprintf(&b, "fqgw_start_time_seconds %d\n", started.Unix())
	return b.String()
}

var started = time.Now()
