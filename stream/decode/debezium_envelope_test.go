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
	two := debezium(t, 2, "at", nil, "id text", "at timestamptz", "v text", "n int4", "x numeric", "l int4[]")
	full := debezium(t, 2, "at", map[string]string{"replica_identity": "full"}, "id text", "at timestamptz", "v text", "n int4", "ref uuid")
	large := debezium(t, 1, "at", nil, "id int8", "at timestamptz", "big text", "ref uuid", "doc jsonb")
	// Columns of the names that a wrapper's members have.
	unwrapped := map[string]string{"unwrapped": "true"}
	outbox := debezium(t, 1, "at", unwrapped, "id int8", "payload text", "at timestamptz")
	both := debezium(t, 1, "at", unwrapped, "id int8", "schema text", "payload text", "at timestamptz")
	load := debezium(t, 1, "at", nil, "payload int8", "at timestamptz")
	whole := debezium(t, 1, "at", nil, "id int8", "at timestamptz", "n numeric(9,0)")
	// Values of other forms than the samples have.
	forms := debezium(
		t,
		1,
		"at",
		nil,
		"id int8",
		"at timestamp",
		"n numeric(5,-2)",
		"x numeric",
		"d date",
		"ms timestamp(3)",
		"j jsonb",
		"f float8[]",
		"i int4",
		"y numeric(6,2)",
	)
	named := debezium(t, 1, "at", nil, "id text", "at timestamptz")
	micros := debezium(t, 1, "at", nil, "id int8", "at timestamp")
	micros.TimeUnit = 1
	meta := debezium(t, 1, "at", nil, "id int8", "at timestamptz <- source.ts_us")
	typed := func(name, field, typ, value string) string {
		return `{"schema":{"type":"struct","fields":[{"field":"` + map[bool]string{true: "before", false: "after"}[name == "before"] + `","type":"struct","fields":[{"field":"` + field +
			`","type":"int64","name":"` + typ + `"}]}]},"payload":{"op":"c","after":{"id":1,"` + field + `":` + value + `}}}`
	}
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
		{table, `9`, `{"op":"d"}`, "delete_key id=9 at=1970-01-01 00:00:07+00"},   // the record's own time
		{named, ` 7`, `{"op":"d"}`, "delete_key id= 7 at=1970-01-01 00:00:07+00"}, // a text has its spaces
		{named, ` true`, `{"op":"d"}`, "delete_key id= true at=1970-01-01 00:00:07+00"},
		{named, ` a `, `{"op":"d"}`, "delete_key id= a  at=1970-01-01 00:00:07+00"},
		{named, `7 `, `{"op":"d"}`, "delete_key id=7  at=1970-01-01 00:00:07+00"},
		{named, ` `, `{"op":"d"}`, "delete_key id=  at=1970-01-01 00:00:07+00"},
		{named, `null`, `{"op":"d"}`, "delete_key id=null at=1970-01-01 00:00:07+00"},
		{named, `7`, `{"op":"d"}`, "delete_key id=7 at=1970-01-01 00:00:07+00"},
		{named, `" a"`, `{"op":"d"}`, "delete_key id= a at=1970-01-01 00:00:07+00"},
		{table, ` 9`, `{"op":"d"}`, "delete_key id=9 at=1970-01-01 00:00:07+00"},
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
		{table, ``, `{"`, "22P02:record is not a JSON object"},
		{table, ``, `[]`, "22P02:record is not a JSON object"},
		{table, ``, `{"op":"c"`, "22P02:record is not a JSON object"},
		{table, ``, "{\"op\":\"c\",\"x\":\"\xff\"}", "22021:record is not valid"},
		{table, ``, `{"op":"c","after":{"id":"x",` + when + `,"n":true}}`, "insert " + then + "; 22P02:invalid input syntax for type bigint"},
		// A number of the unit that it rather is not; 0 is the same in both.
		{forms, ``, `{"op":"c","after":{"id":1,"at":1767225600000}}`, `insert id=1; 22008:"1767225600000" is read as 1970-01-21 10:53:45.6Z`},
		{forms, ``, `{"op":"c","after":{"id":1,"at":-1767225600000}}`, `insert id=1; 22008:"-1767225600000" is read as 1969-12-11`},
		{forms, ``, `{"op":"c","after":{"id":1,"at":31535999999999}}`, `insert id=1; 22008:"31535999999999" is read as 1970-12-31 23:59:59.999999Z`},
		{forms, ``, `{"op":"c","after":{"id":1,"at":31536000000000}}`, `insert id=1 at=1971-01-01 00:00:00`},
		{forms, ``, `{"op":"c","after":{"id":1,"at":-31536000000000}}`, `insert id=1 at=1969-01-01 00:00:00`},
		{forms, ``, `{"op":"c","after":{"id":1,"at":0,"ms":0}}`, `insert id=1 at=1970-01-01 00:00:00 ms=1970-01-01 00:00:00`},
		{forms, ``, `{"op":"c","after":{"id":1,"ms":1767225600000000}}`, `insert id=1; 22008:"1767225600000000" is read as 57971-`},
		{forms, ``, `{"op":"c","after":{"id":1,"ms":253402300799999}}`, `insert id=1 ms=9999-12-31 23:59:59.999`},
		{forms, ``, `{"op":"c","after":{"id":1,"ms":9223372036825200000}}`, `insert id=1 ms=infinity`},
		{forms, ``, `{"op":"c","after":{"id":1,"ms":1}}`, `insert id=1 ms=1970-01-01 00:00:00.001`},
		{forms, ``, typed("after", "at", "io.debezium.time.MicroTimestamp", "1767225600000"), `insert id=1 at=1970-01-21 10:53:45.6`},
		{meta, ``, `{"op":"c","after":{"id":1},"source":{"ts_us":1767225600000}}`, `insert id=1 at=1970-01-21 10:53:45.6+00`},
		{micros, ``, `{"op":"c","after":{"id":1,"at":1767225600000}}`, `insert id=1 at=1970-01-21 10:53:45.6`},
		{whole, ``, `{"op":"c","after":{"id":1,"n":"1234"}}`, `insert id=1; 22P02:"1234" is a decimal as text or in base64`},
		{whole, ``, `{"op":"c","after":{"id":1,"n":"BNI="}}`, "insert id=1 n=1234"},
		{table, ``, `{"op":"c","after":{"id":1,` + when + `,"n":"12.50"}}`, "insert id=1 " + then + `; 22P02:"12.50" is no decimal in base64`},
		{table, ``, `{"op":"c","after":{"id":1,` + when + `,"n":"D0JA"}}`, "insert id=1 " + then + "; 22003:numeric field overflow"},
		{table, ``, `{"schema":{"type":"struct","fields":[{"field":"after","type":"struct","fields":[{"field":"n","type":"string"}]}]},` +
			`"payload":{"op":"c","after":{"id":1,` + when + `,"n":"12.50"}}}`, "insert id=1 " + then + " n=12.50"},
		{table, ``, `{"schema":{"type":7},"payload":{"op":"c","after":{"id":1}}}`, "22P02:the record's schema cannot be read"},
		{table, ``, `{"schema":{"type":"struct","fields":[{"field":"after","type":"struct","fields":[{"field":"at","type":"int32","name":"io.debezium.time.Time"}]}]},` +
			`"payload":{"op":"c","after":{"id":1}}}`, "42804:column \"at\" is of type timestamp with time zone but the record has io.debezium.time.Time"},
		// The event time is part of the key: nothing but the source tells whether the rest was filled up.
		{two, ``, `{"op":"d","before":{"id":"a",` + when + `,"v":"","n":0}}`, "delete_key id=a " + then},
		{two, ``, `{"op":"d","before":{"id":"a",` + when + `,"v":"new","n":3}}`, "delete_key id=a " + then},
		{two, ``, `{"op":"u","before":{"id":"a",` + when + `,"v":"new"},"after":{"id":"a",` + when + `,"n":3}}`, "upsert id=a " + then + " n=3"},
		{full, ``, `{"op":"d","before":{"id":"a",` + when + `,"v":"","n":0}}`, "delete id=a " + then + " v= n=0"},
		{full, ``, `{"op":"u","before":{"id":"a",` + when + `,"v":"x"},"after":{"id":"a",` + when + `,"n":3}}`,
			"update_before id=a " + then + " v=x; update_after id=a " + then + " n=3"},
		// An image that cannot be read as a whole is none: it has the key.
		{full, ``, `{"op":"d","before":{"id":"a",` + when + `,"v":"new","ref":""}}`, "delete_key id=a " + then},
		{large, ``, `{"op":"d","before":{"id":1,` + when + `,"big":"new","ref":""},` + pgSource + `}`, "delete_key id=1 at=2026-01-01 00:00:00+00"},
		// What may have been filled up does not stand for a large value.
		{large, ``, `{"op":"u","before":{"id":1,` + when + `,"big":null},"after":{"id":1,` + when + `,"big":"__debezium_unavailable_value"}}`,
			"upsert id=1 " + then + " big?"},
		{large, ``, `{"op":"u","before":{"id":1,` + when + `,"big":""},"after":{"id":1,` + when + `,"big":"__debezium_unavailable_value"}}`,
			"upsert id=1 " + then + " big?"},
		{large, ``, `{"op":"u","before":{"id":1,` + when + `,"doc":"{}"},"after":{"id":1,` + when + `,"doc":"__debezium_unavailable_value"}}`,
			"upsert id=1 " + then + " doc?"},
		{table, `{"id":9}`, `{"op":"d","before":{"id":"?",` + when + `}}`, "delete_key id=9 at=1970-01-01 00:00:07+00"},
		{table, ``, `{"op":"d","before":{"id":1,` + when + `,"v":"__debezium_unavailable_value"}}`, "delete_key id=1 at=1970-01-01 00:00:07+00"},
		{table, ``, `{"v":2,"ts_ms":1}`, `22P02:the record is no change of Debezium`},
		{forms, ``, `{"op":"c","after":{"id":1,"n":"AQ=="}}`, "insert id=1 n=100"},
		{forms, ``, `{"op":"c","after":{"id":1,"x":"AQ=="}}`, "insert id=1; 22P02:the record does not say the scale"},
		{forms, ``, `{"op":"c","after":{"id":1,"x":{"scale":99999,"value":"AQ=="}}}`, "insert id=1; 22P02:invalid input syntax for type numeric"},
		{forms, ``, `{"op":"c","after":{"id":1,"d":2200000000}}`, "insert id=1; 22008:date out of range"},
		{forms, ``, `{"op":"c","after":{"id":1,"ms":9223372036854775000}}`, "insert id=1; 22008:timestamp without time zone out of range"},
		{forms, ``, `{"op":"c","after":{"id":1,"j":"{"}}`, "insert id=1; 22P02:invalid input syntax for type json"},
		{forms, ``, `{"op":"c","after":{"id":1,"j":{"a":1}}}`, `insert id=1 j={"a": 1}`},
		{forms, ``, `{"op":"u","after":{"id":1,"f":[95.0,95.0,100.0,101.0,98.0,101.0,122.0,105.0,117.0,109.0,95.0,117.0,110.0,97.0,118.0,97.0,105.0,108.0,97.0,98.0,108.0,101.0,95.0,` +
			`118.0,97.0,108.0,117.0,101.0]}}`, "upsert id=1 f?"},
		{outbox, ``, `{"id":1,"payload":"x",` + when + `,"__op":"c"}`, "insert id=1 payload=x " + then},
		{outbox, ``, `{"id":1,` + when + `,"payload":"x","__op":"c"}`, "insert id=1 payload=x " + then},
		{outbox, ``, `{"payload":"x","id":1,` + when + `,"__op":"c"}`, "insert id=1 payload=x " + then},
		{outbox, ``, `{"schema":null,"payload":{"payload":"x","id":1,` + when + `,"__op":"c"}}`, "insert id=1 payload=x " + then},
		{both, ``, `{"id":1,` + when + `,"schema":null,"payload":null}`, "upsert id=1 " + then},
		{both, ``, `{"schema":null,"payload":null,"id":1,` + when + `}`, "upsert id=1 " + then},
		{both, ``, `{"schema":null,"id":1,` + when + `,"payload":"x"}`, "upsert id=1 payload=x " + then},
		{both, ``, `{"schema":"s","payload":"x"}`, "upsert schema=s payload=x"},
		{load, `{"payload":5}`, `{"op":"d"}`, "delete_key payload=5 at=1970-01-01 00:00:07+00"},
		{load, `{"schema":{"type":"struct","fields":[]},"payload":{"payload":5}}`, `{"op":"d"}`, "delete_key payload=5 at=1970-01-01 00:00:07+00"},
		{load, ``, `{"op":"c","after":{"payload":5,` + when + `},"payload":{"op":"d"},"schema":null}`, "insert payload=5 " + then},
		// The placeholder is all that an array has, of any type, or it is a value.
		{two, ``, `{"op":"u","after":{"id":"a",` + when + `,"l":[ "__debezium_unavailable_value" ]}}`, "upsert id=a " + then + " l?"},
		{two, ``, `{"op":"c","after":{"id":"a",` + when + `,"l":[1,"__debezium_unavailable_value"]}}`,
			"insert id=a " + then + "; 22P02:invalid input syntax for type integer"},
		{two, ``, `{"op":"c","after":{"id":"a",` + when + `,"l":["__debezium_unavailable_value",1]}}`,
			"insert id=a " + then + "; 22P02:invalid input syntax for type integer"},
		{forms, ``, typed("after", "at", "io.debezium.time.NanoTimestamp", "-1"), "insert id=1 at=1969-12-31 23:59:59.999999"},
		{forms, ``, typed("before", "at", "io.debezium.time.Timestamp", "1500"), "insert id=1 at=1970-01-01 00:00:01.5"},
		{forms, ``, typed("after", "i", "io.debezium.time.Date", "17702"), "insert id=1 i=17702"},
		{forms, ``, typed("after", "at", "io.debezium.time.Date", "1"), "insert id=1 at=1970-01-02 00:00:00"},
		{forms, ``, typed("after", "y", "io.debezium.data.VariableScaleDecimal", `{"scale":1,"value":"Dw=="}`), "insert id=1 y=1.50"},
		{forms, ``, `{"schema":{"fields":[{"field":"after","fields":[{"field":"y","type":"double"}]}]},"payload":{"op":"c","after":{"id":1,"y":1.255}}}`, "insert id=1 y=1.26"},
		{forms, ``, `{"schema":{"fields":[{"field":"after","fields":[{"field":"y","type":"double"}]}]},"payload":{"op":"c","after":{"id":1,"y":"NaN"}}}`,
			"insert id=1; 22003:NaN cannot be stored"},

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

// TestDebeziumMySQL: the values of MySQL's columns as Debezium's documentation has them, in
// a record without a schema: a datetime without a precision has none, and is milliseconds.
func TestDebeziumMySQL(t *testing.T) {
	s := debezium(
		t,
		1,
		"ts",
		nil,
		"id int8",
		"ok bool",
		"tiny bool",
		"u int8",
		"big numeric(20,0)",
		"amount numeric(12,3)",
		"dt timestamp",
		"dt3 timestamp(3)",
		"dt6 timestamp(6)",
		"ts timestamptz",
		"tm time",
		"tm3 time(3)",
		"d date",
		"y int2",
		"kind text",
		"flags text",
		"doc jsonb",
		"b bytea",
		"f float4",
		"bits bytea",
		"file text <- source.file",
		"pos int8 <- source.pos",
		"at timestamptz <- source.ts_ms",
	)
	const value = `{"before":null,"after":{"id":1,"ok":true,"tiny":1,"u":4294967295,"big":"AP//////////","amount":"/zo=","dt":1529507596000,"dt3":1529507596945,` +
		`"dt6":1529507596945104,"ts":"2018-06-20T13:13:16Z","tm":63796000000,"tm3":63796945000,"d":17702,"y":2018,"kind":"b","flags":"a,c",` +
		`"doc":"{\"k\": [1, 2.50]}","b":"AP9h","f":1.5,"bits":"AwE="},` + mysqlSource + `,"op":"c","ts_ms":1767225600122}`
	const want = `insert id=1 ok=t tiny=t u=4294967295 big=18446744073709551615 amount=-0.198 dt=2018-06-20 15:13:16 dt3=2018-06-20 15:13:16.945 ` +
		`dt6=2018-06-20 15:13:16.945104 ts=2018-06-20 13:13:16+00 tm=17:43:16 tm3=17:43:16.945 d=2018-06-20 y=2018 kind=b flags=a,c doc={"k": [1, 2.50]} ` +
		`b=\x00ff61 f=1.5 bits=\x0301 file=mysql-bin.000003 pos=484 at=2026-01-01 00:00:00+00`
	for _, connector := range []string{"mysql", "mariadb"} {
		d, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := d.Decode(
			&fqgw.LogRecord{Value: []byte(strings.Replace(value, `"connector":"mysql"`, `"connector":"`+connector+`"`, 1))},
			nil,
		)
		if err != nil || len(changes) != 1 {
			t.Fatal(changes, err)
		}
		if got := describe(s, &changes[0]); got != want {
			t.Errorf("%s:\n got %s\nwant %s", connector, got, want)
		}
	}
	// A TIME of MySQL may be more than a day, which no time is.
	d, _ := New(s)
	_, err := d.Decode(&fqgw.LogRecord{Value: []byte(strings.Replace(value, "63796000000", "3020399000000", 1))}, nil)
	if e := fqgw.AsError(err); err == nil || e.Code != fqgw.CodeDatetimeOverflow || e.Column != "tm" {
		t.Errorf("838:59:59 as a time: %v", err)
	}
}

// TestDebeziumShapes: what a decoder reads of a record does not depend on the records that
// it has read before, though it reads it by their shapes.
func TestDebeziumShapes(t *testing.T) {
	s := debezium(t, 1, "at", nil, "id int8", "at timestamptz", "v text")
	records := []string{
		`{"before":null,"after":{"id":1,"at":"2026-01-02T00:00:00Z","v":"x"},"source":{"ts_ms":1},"op":"u"}`,
		`{"before":{"id":1,"at":"2026-01-02T00:00:00Z","v":"x"},"after":{"id":1,"at":"2026-01-02T00:00:00Z","v":"y"},"source":{"ts_ms":1},"op":"u"}`,
		`{"before":{},"after":{"id":1,"at":"2026-01-02T00:00:00Z","v":"y"},"source":{"ts_ms":1},"op":"u"}`,
		`{"before":{"id":1,"at":"2026-01-02T00:00:00Z","v":"x"},"after":null,"source":{"ts_ms":2000},"op":"d"}`,
		`{"before":{"id":1,"at":null,"v":""},"after":null,"source":{"ts_ms":2000},"op":"d"}`,
		`{"before":null,"after":{"id":1,"at":"2026-01-02T00:00:00Z","v":"x"},"source":{"ts_ms":1},"op":"u"}x`,
		`{"before":null,"after":{"id":1,"at":"2026-01-02T00:00:00Z","v":"x"},"source":{"ts_ms":1},"op":"u"`,
		`{"before":null,"after":{"id":1,"at":"2026-01-02T00:00:00Z","v":"x"},"source":{"ts_ms":1},"op":"u","op":"c"}`,
		`{"before":null,"after":{"id":1,"at":"2026-01-02T00:00:00Z"},"after":{"id":2,"v":"x"},"source":{"ts_ms":1},"op":"c"}`,
		`{"before":null,"after":{"id":1,"at":"2026-01-02T00:00:00Z"},"source":{"ts_ms":1},"op":"c"}`,
		`{"before":null,"after":{"id":1,"at":"2026-01-02T00:00:00Z","v":{"a":[1]}},"source":{"ts_ms":1},"op":"c"}`,
		`{"before":null,"after":{"id":1},"source":7,"op":"c"}`,
		`{"op":"c","after":{"id":3}}`,
		`{"schema":{"fields":[{"field":"after","fields":[{"field":"at","type":"int64","name":"io.debezium.time.Timestamp"}]}]},"payload":{"op":"c","after":{"id":1,"at":5}}}`,
		`{"schema":{"fields":[{"field":"after","fields":[{"field":"at","type":"int64","name":"io.debezium.time.MicroTimestamp"}]}]},"payload":{"op":"c","after":{"id":1,"at":5}}}`,
		`{"op":"c","before":null,"after":null,"schema":null,"payload":{"after":{"id":1,"at":"2026-01-02T00:00:00Z","v":"x"}}}`,
		`{"schema":null,"payload":{"op":"c","after":{"id":1,"at":"2026-01-02T00:00:00Z","v":"x"}}}`,
		`{"schema":7,"payload":{"op":"c","after":{"id":1,"at":"2026-01-02T00:00:00Z","v":"x"}}}`,
		`{"schema":null,"payload":null}`, `{"schema":null,"payload":7}`, `{"payload":{},"schema":"x"}`,
		`{"ts_ms":5}`, `{}`,
	}
	for _, first := range records {
		for _, then := range records {
			old, _ := New(s)
			fresh, _ := New(s)
			for range 2 {
				_, _ = decodeOnce(old, nil, []byte(first))
			}
			got, err := decodeOnce(old, nil, []byte(then))
			want, werr := decodeOnce(fresh, nil, []byte(then))
			if g, w := outcome(s, got, err), outcome(s, want, werr); g != w {
				t.Errorf("after %s\n%s\n got %s\nwant %s", first, then, g, w)
			}
		}
	}
}
