package decode

import (
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

// mysqlSource is the source of a record of MySQL, as Debezium's documentation has it.
const mysqlSource = `"source":{"version":"3.7.0.Final","connector":"mysql","name":"m","ts_ms":1767225600000,"snapshot":"false","db":"shop","sequence":null,"ts_us":1767225600000000,` +
	`"ts_ns":1767225600000000000,"table":"t","server_id":223344,"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:23","file":"mysql-bin.000003","pos":484,"row":0,"thread":7,"query":null}`

const pgSource = `"source":{"connector":"postgresql","ts_ms":1767225600000,"lsn":7}`

// TestDebeziumEnvelopes: what each shape of a message means.
func TestDebeziumEnvelopes(t *testing.T) {
	table := debezium(
		t,
		1,
		"at",
		nil,
		"id int8",
		"at timestamptz",
		"v text",
		"n numeric(6,2)",
		"pos int8 <- source.pos",
		"gtid text <- source.gtid",
	)
	flat := debezium(t, 1, "at", map[string]string{"unwrapped": "true"}, "id int8", "at timestamptz", "v text")
	two := debezium(t, 2, "at", nil, "id text", "at timestamptz", "v text", "n int4")
	const when, then = `"at":"2026-01-02T00:00:00Z"`, `at=2026-01-02 00:00:00+00`
	for _, c := range []struct {
		of         *fqgw.Source
		key, value string
		want       string // changes and an error's code, or its first words behind a colon
	}{
		{table, ``, `{"op":"c","before":null,"after":{"id":1,` + when + `,"v":"x","n":"AJY="},` + mysqlSource + `}`,
			"insert id=1 " + then + " v=x n=1.50 pos=484 gtid=3e11fa47-71ca-11e1-9e33-c80aa9429562:23"},
		{table, ``, `{"after":{"id":1,` + when + `},"op":"r"}`, "snapshot id=1 " + then},
		{table, ``, `{"before":null,"after":{"id":1,` + when + `,"v":"x"},"op":"u"}`, "upsert id=1 " + then + " v=x"},
		// MySQL has the whole row before.
		{table, ``, `{"before":{"id":1,` + when + `,"v":"x"},"after":{"id":1,"at":"2026-01-03T00:00:00Z","v":"y"},"op":"u",` + mysqlSource + `}`,
			"update_before id=1 " + then + " v=x pos=484 gtid=3e11fa47-71ca-11e1-9e33-c80aa9429562:23; " +
				"update_after id=1 at=2026-01-03 00:00:00+00 v=y pos=484 gtid=3e11fa47-71ca-11e1-9e33-c80aa9429562:23"},
		// A value that the row after does not have is that of the row before.
		{table, ``, `{"before":{"id":1,` + when + `,"v":"x"},"after":{"id":1,` + when + `,"v":"__debezium_unavailable_value","n":1},"op":"u"}`,
			"update_before id=1 " + then + " v=x; update_after id=1 " + then + " v=x n=1.00"},
		{table, ``, `{"before":null,"after":{"id":1,` + when + `,"v":"__debezium_unavailable_value","n":"__debezium_unavailable_value"},"op":"u"}`,
			"upsert id=1 " + then + " v? n?"},
		{table, ``, `{"before":null,"after":{"id":1,` + when + `,"v":"a__debezium_unavailable_value"},"op":"c"}`, "insert id=1 " + then + " v=a__debezium_unavailable_value"},
		// An index as the replica identity: the key before is another one, the rest of the row unknown.
		{table, ``, `{"before":{"id":2,"at":null,"v":""},"after":{"id":1,` + when + `},"op":"u",` + pgSource + `}`,
			"delete_key id=2 at=2026-01-01 00:00:00+00; upsert id=1 " + then},
		{table, ``, `{"before":{"id":1,"at":"1970-01-01T00:00:00Z","v":"new"},"after":{"id":1,` + when + `},"op":"u",` + pgSource + `}`, "upsert id=1 " + then},
		{table, `{"id":1}`, `{"before":{"id":1,` + when + `,"v":"x"},"after":null,"op":"d",` + pgSource + `}`, "delete id=1 " + then + " v=x"},
		{table, `{"id":9}`, `{"before":{"id":1,"at":null,"v":"","n":"AA=="},"after":null,"op":"d",` + pgSource + `}`, "delete_key id=1 at=2026-01-01 00:00:00+00"},
		{table, `{"id":9}`, `{"before":{"id":1,"at":"never","n":""},"op":"d",` + pgSource + `}`, "delete_key id=1 at=2026-01-01 00:00:00+00"},
		{table, `{"id":9}`, `{"before":null,"op":"d",` + pgSource + `}`, "delete_key id=9 at=2026-01-01 00:00:00+00"},
		{table, `{"schema":{"type":"struct","fields":[{"type":"int64","field":"id"}]},"payload":{"id":9}}`, `{"before":{"id":null},"op":"d",` + pgSource + `}`,
			"delete_key id=9 at=2026-01-01 00:00:00+00"},
		{table, `9`, `{"op":"d","source":{"ts_ns":1767225600000000999}}`, "delete_key id=9 at=2026-01-01 00:00:00+00"},
		{table, `9`, `{"op":"d"}`, "delete_key id=9 at=1970-01-01 00:00:07+00"}, // the record's own time
		{table, ``, `{"before":null,"op":"d"}`, "22P02:the record of a delete"},
		{table, `{"other":1}`, `{"before":null,"op":"d"}`, "22P02:the record of a delete"},
		{table, `{"id":"x"}`, `{"before":null,"op":"d"}`, "delete_key at=1970-01-01 00:00:07+00; 22P02:invalid input syntax for type bigint"},
		{table, `{"id":1}`, ``, ""},
		{table, ``, ``, ""},
		{table, ``, `{"schema":null,"payload":null}`, ""},
		{table, ``, `{"op":"m","message":{"prefix":"p","content":"AA=="},` + pgSource + `}`, ""},
		{table, ``, `{"op":"t","before":null,"after":null,` + pgSource + `}`, "0A000:the table was truncated"},
		{table, ``, `{"op":"c","before":null,"after":null}`, `22P02:the record of operation "c" has no row`},
		{table, ``, `{"op":"u"}`, `22P02:the record of operation "u" has no row`},
		{table, ``, `{"op":"x","after":{"id":1}}`, `22P02:the record has the operation "x"`},
		{table, ``, `{"op":"create","after":{"id":1}}`, `22P02:the record has the operation "create"`},
		{table, ``, `{"op":1,"after":{"id":1}}`, `22P02:the record has the operation "1"`},
		{table, ``, `{"id":1,` + when + `}`, `22P02:the record is no change of Debezium`},
		{table, ``, `{"after":{"id":1}}`, `22P02:the record is no change of Debezium`},
		{table, ``, `{"ts_ms":1,"v":2}`, `22P02:the record is no change of Debezium`},
		{table, ``, `{ "ts_ms" : 1 }`, ""},
		{table, ``, `{"status":"BEGIN","id":"7:8","event_count":null,"ts_ms":5}`, ""},
		{table, ``, `[]`, "22P02:record is not a JSON object"},
		{table, ``, `{"op":"c"`, "22P02:record is not a JSON object"},
		{table, ``, "{\"op\":\"c\",\"x\":\"\xff\"}", "22021:record is not valid"},
		{table, ``, `{"op":"c","after":{"id":"x",` + when + `,"n":true}}`, "insert " + then + "; 22P02:invalid input syntax for type bigint"},
		{table, ``, `{"op":"c","after":{"id":1,` + when + `,"n":"12.50"}}`, "insert id=1 " + then + `; 22P02:"12.50" is no decimal in base64`},
		{table, ``, `{"op":"c","after":{"id":1,` + when + `,"n":"D0JA"}}`, "insert id=1 " + then + "; 22003:numeric field overflow"},
		{table, ``, `{"schema":{"type":"struct","fields":[{"field":"after","type":"struct","fields":[{"field":"n","type":"string"}]}]},` +
			`"payload":{"op":"c","after":{"id":1,` + when + `,"n":"12.50"}}}`, "insert id=1 " + then + " n=12.50"},
		{table, ``, `{"schema":{"type":7},"payload":{"op":"c","after":{"id":1}}}`, "22P02:the record's schema cannot be read"},
		{table, ``, `{"schema":{"type":"struct","fields":[{"field":"after","type":"struct","fields":[{"field":"at","type":"int32","name":"io.debezium.time.Time"}]}]},` +
			`"payload":{"op":"c","after":{"id":1}}}`, "42804:column \"at\" is of type timestamp with time zone but the record has io.debezium.time.Time"},
		// The event time is part of the key: other columns tell whether the row is whole.
		{two, ``, `{"op":"d","before":{"id":"a",` + when + `,"v":"","n":0}}`, "delete_key id=a " + then},
		{two, ``, `{"op":"d","before":{"id":"a",` + when + `,"v":null,"n":3}}`, "delete id=a " + then + " n=3"},

		{flat, ``, `{"id":1,` + when + `,"v":"x"}`, "upsert id=1 " + then + " v=x"},
		{flat, ``, `{"id":1,` + when + `,"v":"x","__op":"c"}`, "insert id=1 " + then + " v=x"},
		{flat, ``, `{"id":1,` + when + `,"v":"x","__op":"r","__deleted":"false"}`, "snapshot id=1 " + then + " v=x"},
		{flat, ``, `{"id":1,` + when + `,"v":"__debezium_unavailable_value","__op":"u"}`, "upsert id=1 " + then + " v?"},
		{flat, ``, `{"id":1,` + when + `,"v":"x","__deleted":true,"__source_ts_ms":1000}`, "delete_key id=1 at=1970-01-01 00:00:01+00"},
		{flat, `{"id":1}`, `{"__op":"d"}`, "delete_key id=1 at=1970-01-01 00:00:07+00"},
		{flat, `{"id":1}`, ``, "delete_key id=1 at=1970-01-01 00:00:07+00"},
		{flat, `"1"`, ``, "delete_key id=1 at=1970-01-01 00:00:07+00"},
		{flat, ``, ``, ""},
		{flat, `{"id":1}`, `{"schema":null,"payload":null}`, "delete_key id=1 at=1970-01-01 00:00:07+00"},
		{flat, `{"x":1}`, ``, "22P02:the record of a delete"},
		{flat, ``, `{"schema":{"type":"struct","fields":[{"field":"at","type":"int64","name":"io.debezium.time.NanoTimestamp"}]},"payload":{"id":1,"at":1500,"__op":"c"}}`,
			"insert id=1 at=1970-01-01 00:00:00.000001+00"},
	} {
		d, err := New(c.of)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := d.Decode(&fqgw.LogRecord{Key: []byte(c.key), Value: []byte(c.value), Timestamp: 7_000_000}, nil)
		var got []string
		for i := range changes {
			got = append(got, describe(c.of, &changes[i]))
		}
		if err != nil {
			code, words, _ := strings.Cut(c.want[strings.LastIndex(c.want, "; ")+1:], ":")
			if e := fqgw.AsError(err); strings.TrimSpace(code) == string(e.Code) && strings.HasPrefix(e.Message, words) {
				got = append(got, strings.TrimSpace(code)+":"+words)
			} else {
				got = append(got, string(e.Code)+":"+e.Message)
			}
		}
		if g := strings.Join(got, "; "); g != c.want {
			t.Errorf("key %s value %s\n got %s\nwant %s", c.key, c.value, g, c.want)
		}
	}
}
