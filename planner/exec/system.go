package exec

import (
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// deadLettersMax is how many dead letters one read shows, the newest.
const deadLettersMax = 100_000

func timeOrNull(t int64) fqgw.Value {
	if t == 0 {
		return fqgw.Null
	}
	return fqgw.TimestampValue(t)
}

func textOrNull(s string) fqgw.Value {
	if s == "" {
		return fqgw.Null
	}
	return fqgw.TextValue(s)
}

// dynamic is a relation of schema fqgw whose rows change by themselves.
func (e *Engine) dynamic(name string) *plan.SystemRelation {
	switch name {
	case "stream_status":
		return &plan.SystemRelation{OID: 9001, Schema: "fqgw", Name: name, Columns: []fqgw.Column{
			{Name: "source", Type: fqgw.Text}, {Name: "partition", Type: fqgw.Int4}, {Name: "epoch", Type: fqgw.Int4},
			{Name: "applied_offset", Type: fqgw.Int8}, {Name: "landed_offset", Type: fqgw.Int8}, {Name: "end_offset", Type: fqgw.Int8},
			{Name: "lag", Type: fqgw.Int8}, {Name: "event_time", Type: fqgw.Timestamptz}, {Name: "known_time", Type: fqgw.Timestamptz},
			{Name: "freshness", Type: fqgw.Interval}, {Name: "paused", Type: fqgw.Text}, {Name: "rejected", Type: fqgw.Int8},
			{Name: "null_keys", Type: fqgw.Int8}, {Name: "expression_errors", Type: fqgw.Int8},
		}, Rows: e.streamStatus}
	case "dead_letters":
		return &plan.SystemRelation{OID: 9002, Schema: "fqgw", Name: name, Columns: []fqgw.Column{
			{Name: "source", Type: fqgw.Text}, {Name: "epoch", Type: fqgw.Int4}, {Name: "partition", Type: fqgw.Int4},
			{Name: "offset", Type: fqgw.Int8}, {Name: "record_time", Type: fqgw.Timestamptz}, {Name: "rejected_at", Type: fqgw.Timestamptz},
			{Name: "reason", Type: fqgw.Text}, {Name: "column_name", Type: fqgw.Text}, {Name: "key", Type: fqgw.Text}, {Name: "payload", Type: fqgw.Text},
		}, Rows: e.deadLetters}
	}
	return nil
}

func (e *Engine) streamStatus(*fqgw.Env) ([][]fqgw.Value, error) {
	var rows [][]fqgw.Value
	for _, s := range e.o.Streams.Status() {
		rows = append(rows, []fqgw.Value{
			fqgw.TextValue(s.Source), fqgw.IntValue(int64(s.Partition)), fqgw.IntValue(int64(s.Epoch)),
			fqgw.IntValue(s.Applied), fqgw.IntValue(s.Landed), fqgw.IntValue(s.End), fqgw.IntValue(s.Lag()),
			timeOrNull(s.EventTime), timeOrNull(s.KnownTime), fqgw.SpanValue(fqgw.Span{Micros: s.Freshness}),
			textOrNull(s.Paused), fqgw.IntValue(s.Rejected), fqgw.IntValue(s.NullKeys), fqgw.IntValue(s.EvalErrors),
		})
	}
	return rows, nil
}

func (e *Engine) deadLetters(env *fqgw.Env) ([][]fqgw.Value, error) {
	letters, err := e.o.Registry.DeadLetters(env.Ctx, deadLettersMax)
	if err != nil {
		return nil, err
	}
	var rows [][]fqgw.Value
	for _, d := range letters {
		rows = append(rows, []fqgw.Value{
			fqgw.TextValue(d.Source), fqgw.IntValue(int64(d.Pos.Epoch)), fqgw.IntValue(int64(d.Pos.Partition)), fqgw.IntValue(d.Pos.Offset),
			fqgw.TimestampValue(d.Time), fqgw.TimestampValue(d.Rejected), fqgw.TextValue(d.Reason), textOrNull(d.Column),
			printable(d.Key), printable(d.Payload),
		})
	}
	return rows, nil
}

// printable is bytes as text, NULL when there are none; what is not UTF-8 is
// shown as replacement characters and zero bytes as spaces.
func printable(b []byte) fqgw.Value {
	if b == nil {
		return fqgw.Null
	}
	return fqgw.TextValue(validText(b))
}

func validText(b []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", " ")
}
