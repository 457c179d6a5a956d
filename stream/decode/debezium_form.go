package decode

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math"
	"math/big"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// form is how Debezium writes the values of one column: as the schema of the record says
// or, where it has none, as the column's type and the source's options do.
type form struct {
	kind      formKind
	perSecond int64     // of formTicks and formClock: units per second
	scale     int32     // of formDecimal; unknownScale
	guessed   bool      // of formDecimal: an integer; of formTicks: the unit; neither a schema nor an option says so
	elem      *form     // of formList
	to        fqgw.Expr // assigns what is read to the column where that is another type
	one       []fqgw.Value
}

type formKind uint8

const (
	formField   formKind = iota // as the JSON format reads a field
	formDays                    // a number of days since 1970
	formTicks                   // a number of units of time since 1970
	formClock                   // a number of units of time since midnight
	formDecimal                 // base64 of an integer in two's complement, or {"scale", "value"}
	formBase64                  // bytes
	formHex                     // bytes
	formJSON                    // JSON in a text
	formList                    // an array
)

const unknownScale = math.MinInt32

// connectType is what a schema of Kafka Connect says of a field.
type connectType struct {
	Type       string        `json:"type"`
	Name       string        `json:"name"` // the semantic type
	Field      string        `json:"field"`
	Fields     []connectType `json:"fields"`
	Items      *connectType  `json:"items"`
	Parameters struct {
		Scale string `json:"scale"`
	} `json:"parameters"`
}

// member is the field of that path, nil where there is none.
func (t *connectType) member(path ...string) *connectType {
	for _, name := range path {
		var found *connectType
		for i := range t.Fields {
			if t.Fields[i].Field == name {
				found = &t.Fields[i]
			}
		}
		if t = found; t == nil {
			return nil
		}
	}
	return t
}

// semantic are the forms of Debezium's and of Connect's own semantic types.
var semantic = map[string]form{
	"io.debezium.time.Date":                   {kind: formDays},
	"org.apache.kafka.connect.data.Date":      {kind: formDays},
	"io.debezium.time.Timestamp":              {kind: formTicks, perSecond: 1e3},
	"org.apache.kafka.connect.data.Timestamp": {kind: formTicks, perSecond: 1e3},
	"io.debezium.time.MicroTimestamp":         {kind: formTicks, perSecond: 1e6},
	"io.debezium.time.NanoTimestamp":          {kind: formTicks, perSecond: 1e9},
	"io.debezium.time.Time":                   {kind: formClock, perSecond: 1e3},
	"org.apache.kafka.connect.data.Time":      {kind: formClock, perSecond: 1e3},
	"io.debezium.time.MicroTime":              {kind: formClock, perSecond: 1e6},
	"io.debezium.time.NanoTime":               {kind: formClock, perSecond: 1e9},
	"org.apache.kafka.connect.data.Decimal":   {kind: formDecimal},
	"io.debezium.data.VariableScaleDecimal":   {kind: formDecimal, scale: unknownScale},
}

// natural is the type of what a form reads, where it is no matter of the column.
var natural = map[formKind]fqgw.Type{formDays: fqgw.Date, formTicks: fqgw.Timestamp, formClock: fqgw.Time, formDecimal: fqgw.Numeric}

// handling is what the source says of records without a schema.
type handling struct {
	unit     int64 // microseconds per unit of numeric times, 0: as the columns' types say
	mysql    bool  // timestamps without a precision have none, and times are microseconds
	decimals string
	bytes    string
}

// form is how the values of a column are written, by the schema of the field, nil for none.
func (h *handling) form(c *column, t *connectType) (form, error) {
	f := h.byType(c)
	if f.kind == formList {
		one := *c.elem
		one.typ = c.typ.Elem() // with its modifier
		elem, err := h.form(&one, t.items())
		f.elem = &elem
		return f, err
	}
	if t == nil {
		return f, nil
	}
	known, ok := semantic[t.Name]
	switch {
	case !ok && t.Type == "bytes" && f.kind == formHex:
		return form{kind: formBase64}, nil
	case !ok && t.Type != "bytes" && f.kind == formDecimal:
		return form{}, nil // decimal.handling.mode is string or double
	case !ok || f.kind == formField && c.typ.Kind() != fqgw.KindInt && c.typ.Kind() != fqgw.KindFloat:
		return f, nil
	}
	if known.kind == formDecimal && known.scale != unknownScale {
		n, ok := expr.ShortInt(t.Parameters.Scale)
		if !ok || n > fqgw.MaxScale || n < -fqgw.MaxScale {
			return f, fqgw.Errorf(fqgw.CodeInvalidText, "the schema of a decimal has the scale %s", quote(t.Parameters.Scale))
		}
		known.scale = int32(n)
	}
	typ := natural[known.kind]
	switch {
	case c.typ.Kind() == fqgw.KindInt && known.kind != formDecimal: // the bare number
		return form{}, nil
	case c.typ.Base() == typ || moments(c.typ.Base(), typ):
		return known, nil
	}
	to, err := expr.Cast(&expr.Column{Typ: typ, Name: c.name}, c.typ, expr.Assignment)
	if err != nil {
		return f, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "column \"%s\" is of type %s but the record has %s", c.name, c.typ, t.Name)
	}
	known.to, known.one = to, make([]fqgw.Value, 1)
	return known, nil
}

func (t *connectType) items() *connectType {
	if t == nil {
		return nil
	}
	return t.Items
}

// byType is how the values of a column are written where no schema tells.
func (h *handling) byType(c *column) form {
	if c.elem != nil {
		return form{kind: formList}
	}
	// A precision of at most three digits goes as milliseconds.
	perSecond := int64(1e6)
	fine := c.typ.Mod > 3 || c.typ.Mod < 0 && !h.mysql
	if h.unit > 0 {
		perSecond = 1e6 / h.unit
	} else if !fine {
		perSecond = 1e3
	}
	switch c.typ.OID {
	case fqgw.Date.OID:
		return form{kind: formDays}
	case fqgw.Timestamp.OID, fqgw.Timestamptz.OID:
		return form{kind: formTicks, perSecond: perSecond, guessed: h.unit == 0}
	case fqgw.Time.OID:
		if h.mysql && h.unit == 0 {
			perSecond = 1e6
		}
		return form{kind: formClock, perSecond: perSecond}
	case fqgw.Numeric.OID:
		f := form{kind: formDecimal, scale: unknownScale}
		if c.typ.Mod >= 0 {
			_, s := c.typ.NumericMod()
			f.scale = int32(s)
			f.guessed = s == 0 && h.decimals != "precise" // as text, others have a point
		}
		if h.decimals == "string" || h.decimals == "double" {
			f = form{}
		}
		return f
	case fqgw.Bytea.OID:
		if h.bytes == "hex" {
			return form{kind: formHex}
		}
		return form{kind: formBase64}
	case fqgw.JSON.OID, fqgw.JSONB.OID:
		return form{kind: formJSON}
	}
	return form{}
}

// The infinities of PostgreSQL, as Debezium writes them: a date in another way when a
// snapshot read it, and both times as a day that no date is.
const (
	infiniteDay, negInfiniteDay       = 2146033979, -2147472691
	snapshotDay, negSnapshotDay       = -622191234, -625821272
	infiniteMillis, negInfiniteMillis = 9223372036825200000, -9223372036832400000
)

// The days that PostgreSQL's dates have.
const (
	leastDay = leastTime / 86_400_000_000
	lastDay  = 2145042905 // 5874897-12-31
)

// days is a date from days since 1970.
func days(n int64) (fqgw.Value, bool) {
	switch n {
	case infiniteDay, snapshotDay:
		return fqgw.DateValue(fqgw.InfinityTime), true
	case negInfiniteDay, negSnapshotDay:
		return fqgw.DateValue(fqgw.NegInfinityTime), true
	}
	return fqgw.DateValue(n), n >= leastDay && n <= lastDay
}

// ticks is a time from units since 1970, floored to a microsecond.
func ticks(n, perSecond int64) (micros int64, ok bool) {
	switch {
	case n == math.MaxInt64, perSecond == 1e3 && n == infiniteMillis:
		return fqgw.InfinityTime, true
	case n == math.MinInt64, perSecond == 1e3 && n == negInfiniteMillis:
		return fqgw.NegInfinityTime, true
	case perSecond > 1e6:
		n = fqgw.FloorDiv(n, perSecond/1e6)
	default:
		each := 1e6 / perSecond
		if n > math.MaxInt64/each || n < math.MinInt64/each {
			return 0, false
		}
		n *= each
	}
	return n, inRange(n)
}

// The least and the greatest times, microseconds since 1970, that are believed of a unit
// that is guessed: milliseconds of our days read as microseconds are in January 1970,
// microseconds read as milliseconds after year 50,000.
const (
	nearestYear = 365 * 86_400_000_000
	farthest    = 253402300800000000 // 10000-01-01
)

// doubtful says that a number of a guessed unit is rather one of the other: 0 is the same
// in both.
func doubtful(micros, perSecond int64) bool {
	if micros == fqgw.InfinityTime || micros == fqgw.NegInfinityTime {
		return false
	}
	if perSecond == 1e3 {
		return micros >= farthest
	}
	return micros != 0 && -nearestYear < micros && micros < nearestYear
}

// decimalOf is coef, an integer in two's complement with its highest byte first, times
// 10^-scale.
func decimalOf(coef []byte, scale int32) fqgw.Decimal {
	var n *big.Int
	if len(coef) <= 8 {
		var x int64
		if len(coef) > 0 && coef[0] >= 0x80 {
			x = -1
		}
		for _, b := range coef {
			x = x<<8 | int64(b)
		}
		n = big.NewInt(x)
	} else if n = new(big.Int).SetBytes(coef); coef[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(coef))*8))
	}
	if scale < 0 {
		n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-scale)), nil))
		scale = 0
	}
	return fqgw.NewDecimal(n, scale)
}

// base64Of appends the bytes of a text in base64, of either alphabet.
func base64Of(dst, text []byte) ([]byte, bool) {
	code := base64.StdEncoding
	if bytes.ContainsAny(text, "-_") {
		code = base64.URLEncoding
	}
	out, err := code.AppendDecode(dst, text)
	return out, err == nil
}

func hexOf(dst, text []byte) ([]byte, bool) {
	out, err := hex.AppendDecode(dst, text)
	return out, err == nil
}

// gregorian is a date or a timestamp of Java, whose years may be 0, negative, or have a
// sign, as PostgreSQL writes it.
func gregorian(s string) string {
	year, rest, ok := strings.Cut(strings.TrimLeft(s, "+-"), "-")
	n, digits := expr.ShortInt(year)
	switch {
	case !ok || !digits || s[0] != '-' && s[0] != '+' && n != 0:
		return s
	case s[0] == '+':
		return year + "-" + rest
	}
	year = string(appendPadded(nil, n+1))
	return year + "-" + rest + " BC"
}

func appendPadded(dst []byte, n int64) []byte {
	digits := big.NewInt(n).Append(nil, 10)
	for range max(4-len(digits), 0) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
