package app

import (
	"fmt"
	"maps"
	"slices"
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
	m := a.pipeline.Metrics()
	total := func(name, help string, v float64) {
		head(name, "counter", help)
		fmt.Fprintf(&b, "%s %g\n", name, v)
	}
	total("fqgw_stream_events_total", "Records that the gate accepted; again when the stream goes back.", float64(m.Events))
	total("fqgw_stream_folds_total", "Events folded into feature views.", float64(m.Applied))
	head("fqgw_stream_refused_total", "counter", "Records that the gate refused, by SQLSTATE.")
	for _, code := range slices.Sorted(maps.Keys(m.Rejected)) {
		fmt.Fprintf(&b, "fqgw_stream_refused_total{code=%q} %d\n", code, m.Rejected[code])
	}
	total("fqgw_stream_dead_letters_total", "Records buried.", float64(m.DeadLetters))
	total("fqgw_stream_flushes_total", "Flushes of units to the online store.", float64(m.Flushes))
	total("fqgw_stream_flush_states_total", "States written to the online store.", float64(m.FlushKeys))
	total("fqgw_stream_flush_bytes_total", "Bytes of states written to the online store.", float64(m.FlushBytes))
	total("fqgw_stream_flush_seconds_total", "Time that flushes took.", float64(m.FlushMicros)/1e6)
	total("fqgw_stream_landings_total", "Commits to the histories.", float64(m.Landings))
	total("fqgw_stream_landed_rows_total", "Rows committed to the histories.", float64(m.LandedRows))
	total("fqgw_stream_fences_total", "Restarts because a store stood elsewhere than it was left.", float64(m.Fences))
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
