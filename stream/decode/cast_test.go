package decode

import (
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// texts is how many random texts TestCast feeds each type.
var texts = flag.Int("texts", 10_000, "random texts of each type that are decoded and cast")

// seeds are texts from which random ones are made: the forms that types read.
var seeds = strings.Split(`|t|T|true|YES|N|of|off|on|1|0|-1|+5| 7 |007|32767|32768|-32768|2147483647|2147483648|-2147483648|4294967295|4294967296
9223372036854775807|9223372036854775808|-9223372036854775808|1.0|1e3|1.5|15e-1|.5|5.|-0|1e400|1e-400|1e38|3.5e38|1e-46|4.9e-324|NaN|nan|-NaN
Infinity|-infinity|inf|0x10|0x1p3|1_000|123456789012345678901234567890.123456789|999.995|99999999.99|1e131071|1e131072|0.1e-16383
2013-03-01|2013-3-1|2013-03-01 9:05:00|2013-03-01T09:05:00Z|2013-03-01T09:05:00.1234567+01:30|2013-03-01 09:05:00.999999999|2013-03-01 24:00:00
2013-03-01T23:59:60Z|20130301|20130301T090500|2013-060|J2456353|01/02/2013|1 Mar 2013|March 1, 2013 9:05 PM|Mon 4 Mar 2013|2013-03-01 BC|0044-03-15 BC
5874897-12-31|5874898-01-01|5880000-01-01|294276-12-31 23:59:59|294277-01-01|4714-11-24 BC|4714-11-23 BC|0000-01-01|0001-01-01|epoch|now|today| Tomorrow 
2013-03-01 09:05:00 America/New_York|2013-07-01 09:05 PST|2013-03-10 02:30 America/New_York|2013-03-01 09:05:00+14|2013-03-01 09:05:00-15:59|2013-03-01 09:05:00+16
09:05|9:05:06.789|24:00:00|24:00:01|23:59:60|090506|09:05:06+02|09:05 PM|allballs|25:00|2013-03-01 09:05
a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|{a0eebc999c0b4ef8bb6d6bb9bd380a11}|A0EEBC99-9C0B4EF8BB6D6BB9-BD380A11|a0
\x00ff|\x0|\x 0 0 |\\x|a\001\\|\400|\12|abc  |abcd|abc|ab é|日本語|`+"tab\t|nl\n|"+`{}|{1,2}|{a,"b c",NULL}|{{1},{2}}|{{},{}}|[1]|{"a": 1}|null`, "|")

// randomText is a seed, often changed a little.
func randomText(r *rand.Rand) string {
	s := []rune(seeds[r.IntN(len(seeds))])
	if i := strings.IndexByte(string(s), '\n'); i > 0 && r.IntN(4) > 0 { // two of the list's lines
		s = []rune(strings.TrimSpace(string(s)[i:]))
	}
	for range r.IntN(4) {
		alphabet := []rune("0123456789-+.:eEtTzZ /nNaA{}\\\"',xé")
		c := alphabet[r.IntN(len(alphabet))]
		switch at := r.IntN(len(s) + 1); {
		case r.IntN(3) == 0 || at == len(s):
			s = append(s[:at:at], append([]rune{c}, s[at:]...)...)
		case r.IntN(2) == 0:
			s = append(s[:at:at], s[at+1:]...)
		default:
			s[at] = c
		}
	}
	return string(s)
}

// castOf is what SQL does: the text is cast to the type, then assigned to the
// column; with the exceptions that the package names.
func castOf(t *testing.T, typ fqgw.Type) func(s string) (fqgw.Value, error) {
	as := typ.Base()
	switch as {
	case fqgw.Timestamp:
		as = fqgw.Timestamptz
	case fqgw.Timestamp.Array():
		as = fqgw.Timestamptz.Array()
	}
	e, err := expr.Cast(&expr.Column{Typ: fqgw.Text, Name: "s"}, as, expr.Explicit)
	if err != nil {
		t.Fatal(err)
	}
	fit, err := expr.Cast(&expr.Column{Typ: typ.Base(), Name: "v"}, typ, expr.Assignment)
	if err != nil {
		t.Fatal(err)
	}
	env := &fqgw.Env{Now: 1362128700_000000}
	return func(s string) (fqgw.Value, error) {
		v, err := e.Eval(env, []fqgw.Value{fqgw.TextValue(s)})
		if err != nil {
			return v, err
		}
		return fit.Eval(env, []fqgw.Value{v})
	}
}

// TestCast: a field is read as the cast reads it, value for value and refusal
// for refusal. The cast itself is compared with PostgreSQL in planner/expr.
func TestCast(t *testing.T) {
	for _, typ := range []fqgw.Type{fqgw.Bool, fqgw.Int2, fqgw.Int4, fqgw.Int8, fqgw.OID, fqgw.Float4, fqgw.Float8, fqgw.Numeric, fqgw.NumericOf(8, 2),
		fqgw.Text, fqgw.Varchar, {OID: fqgw.Varchar.OID, Mod: 7}, fqgw.BPChar, {OID: fqgw.BPChar.OID, Mod: 7}, fqgw.Name, fqgw.Bytea, fqgw.UUID,
		fqgw.Date, fqgw.Time, {OID: fqgw.Time.OID, Mod: 1}, fqgw.Timestamp, {OID: fqgw.Timestamp.OID, Mod: 3}, fqgw.Timestamptz,
		{OID: fqgw.Timestamptz.OID, Mod: 0}, fqgw.Int4.Array(), fqgw.Text.Array(), fqgw.Timestamp.Array()} {
		t.Run(typ.String(), func(t *testing.T) {
			t.Parallel()
			d, err := newJSON(source(fqgw.Column{Name: "x", Type: typ}))
			if err != nil {
				t.Fatal(err)
			}
			cast := castOf(t, typ)
			r := rand.New(rand.NewPCG(uint64(typ.OID), uint64(typ.Mod)))
			row := make([]fqgw.Value, 1)
			taken := 0
			for i := range *texts {
				s := randomText(r)
				if i < len(seeds) {
					s = seeds[i]
				}
				field, _ := json.Marshal(s)
				if json.Valid([]byte(s)) && s != "null" && r.IntN(2) == 0 && plainNumber(s, typ) {
					field = []byte(s) // a number, true or false by itself
				}
				want, refused := cast(s)
				if refused == nil && (clockWord(s) != "" && hasClock(typ) || want.List() != nil && len(want.List().Dims) > 1 || typ.OID == fqgw.Numeric.OID && typ.Mod >= 0 && hasNaN(want)) {
					refused = fqgw.Errorf("0A000", "a record cannot have it")
				}
				err := d.decode([]byte(`{"x": `+string(field)+`}`), row)
				if (err == nil) != (refused == nil) {
					t.Fatalf("%s: decoded %v, cast %v %v", field, err, want, refused)
				}
				if err != nil {
					if code := fqgw.AsError(err).Code; code != fqgw.AsError(refused).Code && fqgw.AsError(refused).Message != "a record cannot have it" && clockWord(s) == "" {
						t.Fatalf("%s: decoded %v, cast %v", field, err, refused)
					}
					continue
				}
				taken++
				if !identical(row[0], want) {
					t.Fatalf("%s: decoded %s, cast %s", field, show(row[0]), show(want))
				}
			}
			if taken < *texts/500 {
				t.Errorf("only %d texts were taken", taken)
			}
		})
	}
}

// plainNumber says whether a JSON value by itself stands under no exception.
func plainNumber(s string, typ fqgw.Type) bool {
	if strings.ContainsAny(s, `"[]{}`) || s != strings.TrimSpace(s) {
		return false
	}
	switch typ.OID {
	case fqgw.Int2.OID, fqgw.Int4.OID, fqgw.Int8.OID, fqgw.OID.OID:
		return !strings.ContainsAny(s, ".eE") || s == "true" || s == "false"
	case fqgw.Timestamp.OID, fqgw.Timestamptz.OID:
		return s == "true" || s == "false"
	}
	return true
}

func hasClock(t fqgw.Type) bool {
	if t.IsArray() {
		t = t.Elem()
	}
	switch t.Kind() {
	case fqgw.KindDate, fqgw.KindTime, fqgw.KindTimestamp:
		return true
	}
	return false
}

// identical: of the same kind, with the same bits and the same text.
func identical(a, b fqgw.Value) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case fqgw.KindFloat:
		return math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	case fqgw.KindNumeric:
		return a.Numeric().String() == b.Numeric().String()
	case fqgw.KindArray:
		x, y := a.List(), b.List()
		if len(x.Items) != len(y.Items) {
			return false
		}
		for i := range x.Items {
			if !identical(x.Items[i], y.Items[i]) {
				return false
			}
		}
		return true
	}
	return a.Int() == b.Int() && a.Str() == b.Str()
}
