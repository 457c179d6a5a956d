package decode

import (
	"math"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// leastTime is PostgreSQL's least timestamp (4714-11-24 BC); the greatest is what
// microseconds hold.
const leastTime = -210866803200000000

// epoch reads a number of time units since the epoch, floored to a microsecond.
func epoch(c *column, raw []byte) (fqgw.Value, error) {
	t, ok := int64(0), false
	if n, short := expr.ShortInt(text(raw)); short {
		t = n * c.unit
		ok = n == 0 || t/n == c.unit
	} else if d, read := fqgw.ParseDecimal(text(raw)); read {
		t, ok = d.Mul(fqgw.DecimalFromInt(c.unit)).Floor().Int64()
	}
	if ok && t >= leastTime && t < math.MaxInt64 {
		return fqgw.TimestampValue(t), nil
	}
	return fqgw.Null, errEpoch(c, string(raw))
}

func errEpoch(c *column, number string) error {
	return fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range: %s", quote(number)).
		WithHint("Check the source's time_unit: one unit is %d microseconds.", c.unit)
}

// appendMoment appends a date or a time in PostgreSQL's ISO form; a timestamp has
// the T and the Z of RFC 3339.
func appendMoment(dst []byte, v fqgw.Value) []byte {
	if v.Kind() == fqgw.KindDate {
		return append(append(append(dst, '"'), expr.Text(v, fqgw.Date, nil)...), '"')
	}
	date, clock, finite := strings.Cut(expr.Text(v, fqgw.Timestamp, nil), " ")
	dst = append(append(dst, '"'), date...)
	if finite {
		clock, era, _ := strings.Cut(clock, " ")
		dst = append(append(append(dst, 'T'), clock...), 'Z')
		if era != "" {
			dst = append(append(dst, ' '), era...)
		}
	}
	return append(dst, '"')
}
