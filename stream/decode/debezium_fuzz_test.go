package decode

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

// FuzzDebezium: whatever a record has, it is refused with a code or its changes are whole,
// and are the same for a decoder that has learned from others and for one that has not.
func FuzzDebezium(f *testing.F) {
	all := samples(f)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r := all[name].record()
		if len(r.Value) < 4000 {
			f.Add(r.Key, r.Value)
		}
	}
	f.Add(
		[]byte(`7`),
		[]byte(
			`{"op":"u","before":{"id":1,"t6":5},"after":{"id":2,"t6":"__debezium_unavailable_value","ia":[1,null]},"source":{"ts_ms":1}}`,
		),
	)
	f.Add([]byte(`{"id":1}`), []byte(`{"op":"c","after":{"id":1,"id":2},"after":{},"op":"d","source":{"connector":"mysql"}}`))
	f.Add(
		[]byte(`{"payload":{"id":1},"schema":null}`),
		[]byte(
			`{"payload":{"op":"d"},"schema":{"fields":[{"field":"after","fields":[{"field":"d","name":"io.debezium.time.NanoTime"}]}]}}`,
		),
	)
	f.Add([]byte(`{"payload":1}`), []byte(`{"op":"c","after":null,"schema":null,"payload":{"after":{"id":1,"t6":5},"op":"u"}}`))
	f.Add([]byte(`{"payload":1}`), []byte(`{"schema":"x","payload":{"payload":1,"at":"2026-01-02T00:00:00Z"}}`))
	flat := debezium(
		f,
		1,
		"t6",
		map[string]string{"unwrapped": "true", "decimal_handling": "string", "binary_handling": "hex"},
		kinds[:30]...)
	sources := []*fqgw.Source{
		debezium(f, 1, "t6", nil, kinds...),
		flat,
		debezium(f, 1, "at", map[string]string{"unwrapped": "true"}, "payload text", "schema jsonb", "at timestamptz"),
		debezium(f, 2, "placed_at", nil, append([]string{"owner text"}, orders...)...),
	}
	var old []Decoder
	for _, s := range sources {
		d, err := New(s)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			_, _ = d.Decode(all[name].record(), nil)
		}
		old = append(old, d)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		for i, s := range sources {
			fresh, err := New(s)
			if err != nil {
				t.Fatal(err)
			}
			first, ferr := decodeOnce(fresh, key, value)
			again, aerr := decodeOnce(fresh, key, value)
			other, oerr := decodeOnce(old[i], key, value)
			var known *fqgw.Error
			if ferr != nil && !errors.As(ferr, &known) {
				t.Fatalf("an error without a code: %v", ferr)
			}
			want := outcome(s, first, ferr)
			if got := outcome(s, again, aerr); got != want {
				t.Fatalf("%s\n%s\nfirst %s\nagain %s", key, value, want, got)
			}
			if got := outcome(s, other, oerr); got != want {
				t.Fatalf("%s\n%s\nfirst %s\nby a decoder that read others %s", key, value, want, got)
			}
			sound(t, s, first, ferr)
		}
	})
}

func decodeOnce(d Decoder, key, value []byte) ([]fqgw.Event, error) {
	r := fqgw.LogRecord{Key: bytes.Clone(key), Value: bytes.Clone(value), Timestamp: 7_000_000}
	changes, err := d.Decode(&r, nil)
	clear(r.Key)
	clear(r.Value)
	return changes, err
}

func outcome(s *fqgw.Source, changes []fqgw.Event, err error) string {
	var b strings.Builder
	for i := range changes {
		b.WriteString(describe(s, &changes[i]) + "\n")
	}
	if err != nil {
		b.WriteString(fqgw.AsError(err).Column + " " + err.Error())
	}
	return b.String()
}

// sound checks what every record's changes are.
func sound(t *testing.T, s *fqgw.Source, changes []fqgw.Event, err error) {
	for i, ev := range changes {
		if len(ev.Row) != len(s.Columns) {
			t.Fatalf("a row of %d columns", len(ev.Row))
		}
		if err != nil {
			continue
		}
		after := i > 0 && changes[i-1].Op == fqgw.UpdateBefore
		if (ev.Op == fqgw.UpdateAfter) != after || ev.Op == fqgw.UpdateBefore && i == len(changes)-1 {
			t.Fatalf("%v at %d", ev.Op, i)
		}
		if ev.Op == fqgw.UpdateBefore || ev.Op == fqgw.Delete {
			if ev.Row[s.EventTime].IsNull() || len(ev.Missing) > 0 {
				t.Fatalf("%s is taken for a row", describe(s, &ev))
			}
		}
		if ev.Op == fqgw.DeleteKey {
			for c, v := range ev.Row {
				if key := slices.Contains(s.PrimaryKey, c); key && v.IsNull() || !key && c != s.EventTime && !v.IsNull() {
					t.Fatalf("%s is no key", describe(s, &ev))
				}
			}
		}
		for _, c := range ev.Missing {
			if !ev.Row[c].IsNull() {
				t.Fatalf("%s: a missing column has a value", describe(s, &ev))
			}
		}
	}
}
