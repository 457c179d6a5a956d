package app

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner"
)

// metric is one of fqgw's own: docs/metrics.md lists the same. read sends its
// values, each with its label values.
type metric struct {
	name, help string
	kind       prometheus.ValueType // 0: a histogram
	labels     []string
	read       func(send func(value any, labels ...string))
}

// metrics are read when they are asked for; nothing is counted for them on the
// way of a statement but what the rooms themselves count. No label has a value
// that a client chooses, other than names of sources and feature views.
func (a *App) metrics() []metric {
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	perPartition := func(name, help string, kind prometheus.ValueType, value func(s *fqgw.StreamStatus) float64) metric {
		return metric{name, help, kind, []string{"source", "partition"}, func(send func(any, ...string)) {
			for _, s := range a.pipeline.Status() {
				send(value(&s), s.Source, strconv.Itoa(int(s.Partition)))
			}
		}}
	}
	one := func(name, help string, kind prometheus.ValueType, value func() float64) metric {
		return metric{name, help, kind, nil, func(send func(any, ...string)) { send(value()) }}
	}
	flag := func(is bool) float64 {
		if is {
			return 1
		}
		return 0
	}
	stream := func(name, help string, value func() int64) metric {
		return one(name, help, counter, func() float64 { return float64(value()) })
	}
	online := a.online.Meter()
	return []metric{
		{"fqgw_statements_total", "Statements that ended, by route and SQLSTATE (00000: successful).", counter, []string{"route", "sqlstate"}, a.statements},
		{"fqgw_statement_duration_seconds", "Time from the execution of a statement to its last row.", 0, []string{"route"},
			func(send func(any, ...string)) {
				for route, h := range a.planner.Meter().Latencies() {
					send(h, label(route))
				}
			}},
		{"fqgw_feature_values_total", "Feature values that statements asked for, by path (now, as_of) and status.", counter, []string{"path", "status"},
			func(send func(any, ...string)) {
				for status := fqgw.StatusPresent; status <= fqgw.StatusTimeout; status++ {
					send(float64(a.engine.Served(false, status)), "now", status.String())
					send(float64(a.engine.Served(true, status)), "as_of", status.String())
				}
			}},
		{"fqgw_joined_rows_total", "Rows that were joined AS OF their times, by way (columns, rows).", counter, []string{"way"},
			func(send func(any, ...string)) {
				send(float64(a.engine.Joined(true)), "columns")
				send(float64(a.engine.Joined(false)), "rows")
			}},
		{"fqgw_join_column_bytes", "Columns of point-in-time joins that lie outside of Go's heap now.", gauge, nil,
			func(send func(any, ...string)) { send(float64(a.engine.ColumnBytes())) }},
		{"fqgw_online_store_trip_duration_seconds", "Time of round trips to the online store, of reads and flushes.", 0, nil,
			func(send func(any, ...string)) { send(&online.Trips) }},
		{"fqgw_online_store_errors_total", "Round trips to the online store that failed: timeout, connection, reply.", counter, []string{"kind"},
			func(send func(any, ...string)) {
				send(float64(online.Timeouts.Load()), "timeout")
				send(float64(online.Connection.Load()), "connection")
				send(float64(online.Replies.Load()), "reply")
			}},
		perPartition("fqgw_stream_lag_records", "Records in the log that are not readable online yet.", gauge,
			func(s *fqgw.StreamStatus) float64 { return float64(s.Lag()) }),
		perPartition("fqgw_stream_applied_offset", "Offset after the last record that is readable online.", gauge,
			func(s *fqgw.StreamStatus) float64 { return float64(s.Applied) }),
		perPartition("fqgw_stream_landed_offset", "Offset after the last record in the history.", gauge,
			func(s *fqgw.StreamStatus) float64 { return float64(s.Landed) }),
		perPartition("fqgw_stream_freshness_seconds", "Time from the append of the last flushed record until it was readable.", gauge,
			func(s *fqgw.StreamStatus) float64 { return float64(s.Freshness) / 1e6 }),
		perPartition("fqgw_stream_event_time_seconds", "Greatest event time applied, since 1970; 0 before the first.", gauge,
			func(s *fqgw.StreamStatus) float64 { return float64(s.EventTime) / 1e6 }),
		perPartition("fqgw_stream_paused", "1 while the partition stands; fqgw.stream_status has the reason.", gauge,
			func(s *fqgw.StreamStatus) float64 { return flag(s.Paused != "") }),
		perPartition("fqgw_stream_rejected_total", "Records that the gate refused.", counter,
			func(s *fqgw.StreamStatus) float64 { return float64(s.Rejected) }),
		perPartition("fqgw_stream_null_keys_total", "Events with a NULL join key, once for each view that they do not belong to.", counter,
			func(s *fqgw.StreamStatus) float64 { return float64(s.NullKeys) }),
		perPartition("fqgw_stream_expression_errors_total", "Row expressions that raised and gave NULL.", counter,
			func(s *fqgw.StreamStatus) float64 { return float64(s.EvalErrors) }),
		perPartition("fqgw_stream_derive_lag_records", "Records of a derived source's origin that have not passed yet.", gauge,
			func(s *fqgw.StreamStatus) float64 { return float64(s.Behind) }),
		stream("fqgw_stream_derived_total", "Records written for derived sources.", func() int64 { return a.pipeline.Metrics().Derived }),
		stream("fqgw_stream_derived_from_total", "Records of their origins that passed, written or dropped.", func() int64 { return a.pipeline.Metrics().DerivedFrom }),
		stream("fqgw_stream_events_total", "Records that the gate accepted; again when the stream goes back.", func() int64 { return a.pipeline.Metrics().Events }),
		stream("fqgw_stream_folds_total", "Events folded into feature views.", func() int64 { return a.pipeline.Metrics().Applied }),
		{"fqgw_stream_refused_total", "Records that the gate refused, by SQLSTATE.", counter, []string{"sqlstate"}, func(send func(any, ...string)) {
			for code, n := range a.pipeline.Metrics().Rejected {
				send(float64(n), code)
			}
		}},
		stream("fqgw_stream_dead_letters_total", "Records buried.", func() int64 { return a.pipeline.Metrics().DeadLetters }),
		stream("fqgw_stream_flushes_total", "Flushes of units to the online store.", func() int64 { return a.pipeline.Metrics().Flushes }),
		stream("fqgw_stream_flush_states_total", "States written to the online store.", func() int64 { return a.pipeline.Metrics().FlushKeys }),
		stream("fqgw_stream_flush_bytes_total", "Bytes of states written to the online store.", func() int64 { return a.pipeline.Metrics().FlushBytes }),
		one("fqgw_stream_flush_seconds_total", "Time that flushes took.", counter, func() float64 { return float64(a.pipeline.Metrics().FlushMicros) / 1e6 }),
		stream("fqgw_stream_landings_total", "Commits to the histories.", func() int64 { return a.pipeline.Metrics().Landings }),
		stream("fqgw_stream_landed_rows_total", "Rows committed to the histories.", func() int64 { return a.pipeline.Metrics().LandedRows }),
		stream("fqgw_stream_fences_total", "Restarts because a store stood elsewhere than it was left.", func() int64 { return a.pipeline.Metrics().Fences }),
		{"fqgw_tier_entities", "Entities of feature views in the online store, by whether their state is there (hot) or in the lake (cold), when last counted.", gauge,
			[]string{"view", "tier"}, func(send func(any, ...string)) {
				for _, v := range a.engine.Catalog().Features {
					if t := a.pipeline.Tier(v); t.Looked > 0 {
						send(float64(t.Hot), v.Qualified().String(), "hot")
						send(float64(t.Cold), v.Qualified().String(), "cold")
					}
				}
			}},
		{"fqgw_tier_moves_total", "Entities that went to the lake (left), that an event (loaded) or a read (warmed) brought back.", counter,
			[]string{"move"}, func(send func(any, ...string)) {
				var all fqgw.Tier
				for _, v := range a.engine.Catalog().Features {
					t := a.pipeline.Tier(v)
					all.Left, all.Loaded, all.Warmed = all.Left+t.Left, all.Loaded+t.Loaded, all.Warmed+t.Warmed
				}
				send(float64(all.Left), "left")
				send(float64(all.Loaded), "loaded")
				send(float64(all.Warmed), "warmed")
			}},
		{"fqgw_lake_reads_total", "Entities that reads of now found in the lake only: read, refused (fqgw.lake_entities), late, failed.", counter,
			[]string{"result"}, func(send func(any, ...string)) {
				c := a.engine.ColdReads()
				send(float64(c.Loaded), "read")
				send(float64(c.Refused), "refused")
				send(float64(c.Late), "late")
				send(float64(c.Failed), "failed")
			}},
		one("fqgw_lake_reads_seconds_total", "Time that reads of now waited for the lake.", counter, func() float64 { return a.engine.ColdReads().Took.Seconds() }),
		{"fqgw_memory_bytes", "Memory that is charged for, estimated: sessions with their statements, and each share of the streams.", gauge, []string{"part"},
			func(send func(any, ...string)) {
				send(float64(a.engine.Memory().Used()), "sessions")
				for _, s := range a.pipeline.Memory() {
					send(float64(s.Used), "stream_"+s.Name)
				}
			}},
		one("fqgw_memory_lost_bytes_total", "Memory that statements had not given back when they ended: a defect of fqgw.", counter,
			func() float64 { return float64(a.engine.Memory().Lost()) }),
		one("fqgw_ready", "1 when every feature view can be read online and the store answers, as /readyz says.", gauge, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return flag(len(a.waiting(ctx)) == 0)
		}),
		one("fqgw_clock_seconds", "The clock that T is read from, since 1970.", gauge, func() float64 { return float64(a.clock.Now()) / 1e6 }),
		one("fqgw_sessions", "Open sessions.", gauge, func() float64 { return float64(a.planner.Sessions()) }),
		one("fqgw_plan_cache_hits_total", "Statements whose plan was in the plan cache.", counter, func() float64 { return float64(a.planner.CacheStats().Hits) }),
		one("fqgw_plan_cache_binds_total", "Statements that were bound, because the plan cache did not have them.", counter, func() float64 { return float64(a.planner.CacheStats().Binds) }),
		one("fqgw_plan_cache_bytes", "Memory of the plan cache, estimated.", gauge, func() float64 { return float64(a.planner.CacheStats().Bytes) }),
		one("fqgw_catalog_version", "Version of the catalog.", gauge, func() float64 { return float64(a.engine.Catalog().Version) }),
		{"fqgw_build_info", "1, with the version.", gauge, []string{"version"}, func(send func(any, ...string)) { send(1.0, planner.Version) }},
	}
}

// label is a route as the value of a label.
func label(route string) string { return strings.ReplaceAll(route, " ", "_") }

func (a *App) statements(send func(any, ...string)) {
	meter := a.planner.Meter()
	failures := meter.Failures()
	failed := map[string]uint64{}
	for f, n := range failures {
		failed[f.Route] += n
		send(float64(n), label(f.Route), string(f.Code))
	}
	for route, h := range meter.Latencies() {
		// Counted a moment later than the failures, and never fewer.
		if n, _, _ := h.Read(); n >= failed[route] {
			send(float64(n-failed[route]), label(route), "00000")
		}
	}
}

// collector gives fqgw's metrics to Prometheus's library.
type collector struct {
	metrics []metric
	descs   []*prometheus.Desc
}

func newCollector(metrics []metric) *collector {
	c := &collector{metrics: metrics}
	for _, m := range metrics {
		c.descs = append(c.descs, prometheus.NewDesc(m.name, m.help, m.labels, nil))
	}
	return c
}

func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

func (c *collector) Collect(to chan<- prometheus.Metric) {
	for i, m := range c.metrics {
		m.read(func(value any, labels ...string) {
			if h, ok := value.(*fqgw.Histogram); ok {
				count, sum, atMost := h.Read()
				to <- prometheus.MustNewConstHistogram(c.descs[i], count, sum, atMost, labels...)
				return
			}
			to <- prometheus.MustNewConstMetric(c.descs[i], m.kind, value.(float64), labels...)
		})
	}
}

// metricsHandler answers /metrics: fqgw's own, the Go runtime's and the process's.
func (a *App) metricsHandler() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(a.metrics()), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{Registry: r, ErrorHandling: promhttp.ContinueOnError})
}
