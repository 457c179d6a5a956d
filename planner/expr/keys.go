package expr

import (
	"math"
	"slices"

	"github.com/fqgw/fqgw"
)

// A join key is looked up, not compared: what PostgreSQL's = says of `key = v`
// for every value of the key is here turned round, into the values of the key's
// type that equal v (SEMANTICS §4.2).

// keyClass groups the types whose values are the same entity keys: integers of
// every width, and the text types.
func keyClass(t fqgw.Type) fqgw.Type {
	switch t.Base() {
	case fqgw.Int2, fqgw.Int4, fqgw.Int8, fqgw.OID:
		return fqgw.Int8
	case fqgw.Text, fqgw.Varchar, fqgw.Name:
		return fqgw.Text
	}
	return t.Base()
}

// SameKeys says whether every value of one type is, unchanged, the same join key
// as one of the other.
func SameKeys(a, b fqgw.Type) bool { return keyClass(a) == keyClass(b) }

// KeySeenAs says whether a join key of type key under a cast to type to still
// says which key it is, so that `key::to = v` is an equality of KeyOperand.
func KeySeenAs(key, to fqgw.Type) bool {
	key, to = key.Base(), to.Base()
	switch {
	case key == to:
		return true
	case key == fqgw.Int8 && to != fqgw.Numeric && to != fqgw.Float8, key == fqgw.OID, to == fqgw.OID:
		return false // it may not fit
	case SameKeys(key, to):
		return true
	case key.Kind() == fqgw.KindInt:
		return to == fqgw.Numeric || to == fqgw.Float8
	}
	return key == fqgw.Date && to == fqgw.Timestamp
}

// KeyOperand is e as what = compares a join key of type key with, where the key
// stands under a cast to seen (its own type: under none). ok is false when = has
// no such operator, or when its keys cannot be told from the value.
//
// A varchar key against a character(n) is compared as text here, as a text key
// is: in PostgreSQL trailing blanks of the key would not count, so that any
// number of keys would equal one value.
func KeyOperand(e fqgw.Expr, key, seen fqgw.Type) (operand fqgw.Expr, ok bool) {
	if e.Type() != fqgw.Unknown && SameKeys(e.Type(), seen) && SameKeys(key, seen) {
		return e, true
	}
	if e.Type().Base() == fqgw.BPChar {
		seen = fqgw.Text
	}
	cmp, err := compareBy("=", seen.Base(), e.Type())
	if err != nil {
		return nil, false
	}
	to := cmp.right
	switch {
	case SameKeys(key, to):
	case key.Kind() == fqgw.KindInt && (to == fqgw.Numeric || to == fqgw.Float4 || to == fqgw.Float8):
	case isMoment(key) && isMoment(to):
	default:
		return nil, false
	}
	operand, err = Cast(e, to, Implicit)
	return operand, err == nil
}

func isMoment(t fqgw.Type) bool {
	return t.Base() == fqgw.Date || t.Base() == fqgw.Timestamp || t.Base() == fqgw.Timestamptz
}

// ManyKeys says whether several keys of type key may equal one value of type of:
// large integers that are one double, times in the gap of a change of clock.
func ManyKeys(key, of fqgw.Type) bool {
	switch of.Base() {
	case fqgw.Float4, fqgw.Float8:
		return key.Base() == fqgw.Int8
	case fqgw.Timestamptz:
		return key.Base() == fqgw.Timestamp || key.Base() == fqgw.Date
	}
	return false
}

// EqualKeys are the values of type key that equal v, a value of type of that is
// not NULL; of is that of a KeyOperand. They are in ascending order, and none
// when v is no value of the key's type.
func EqualKeys(v fqgw.Value, of, key fqgw.Type, env *fqgw.Env) []fqgw.Value {
	switch {
	case v.Kind() != of.Kind():
		return nil
	case isMoment(key) && isMoment(of):
		return momentsOf(v, of.Base(), key.Base(), env)
	case v.Kind() == fqgw.KindFloat && key.Kind() == fqgw.KindInt:
		return integersOf(v.Float(), key)
	case v.Kind() == fqgw.KindNumeric && key.Kind() == fqgw.KindInt:
		if n, ok := v.Numeric().Int64(); ok && fqgw.DecimalFromInt(n).Cmp(v.Numeric()) == 0 {
			return only(fqgw.IntValue(n), fitsInt(n, key))
		}
		return nil
	case v.Kind() != key.Kind():
		return nil
	case key.Kind() == fqgw.KindInt:
		return only(v, fitsInt(v.Int(), key))
	}
	return only(v, true)
}

func only(v fqgw.Value, ok bool) []fqgw.Value {
	if !ok {
		return nil
	}
	return []fqgw.Value{v}
}

// fitsInt says whether n is a value of an integer type.
func fitsInt(n int64, t fqgw.Type) bool {
	if t.Base() == fqgw.OID {
		return n >= 0 && n <= math.MaxUint32
	}
	return intRange(n, t) == nil
}

// integersOf are the integers whose double is f.
func integersOf(f float64, key fqgw.Type) []fqgw.Value {
	if f != math.Trunc(f) || math.Abs(f) > 0x1p63 { // NaN too
		return nil
	}
	n := int64(math.MaxInt64)
	if f < 0x1p63 {
		n = int64(f)
	}
	if math.Abs(f) < 0x1p53 {
		return only(fqgw.IntValue(n), fitsInt(n, key))
	}
	if key.Base() != fqgw.Int8 {
		return nil
	}
	for n > math.MinInt64 && float64(n-1) == f {
		n--
	}
	out := []fqgw.Value{fqgw.IntValue(n)}
	for n < math.MaxInt64 && float64(n+1) == f {
		n++
		out = append(out, fqgw.IntValue(n))
	}
	return out
}

// momentsOf compares as byMoment does: a date stands for its midnight, a time
// without zone for that wall-clock time in the session's.
func momentsOf(v fqgw.Value, of, key fqgw.Type, env *fqgw.Env) []fqgw.Value {
	t := v.Int()
	switch {
	case of == key:
		return []fqgw.Value{v}
	case isInfinite(t):
		return []fqgw.Value{momentOf(key, t)}
	case of == fqgw.Date && t > maxTSDay: // greater than any timestamp
		return nil
	}
	if of == fqgw.Date {
		t *= usDay
	}
	if key == fqgw.Timestamptz {
		return []fqgw.Value{momentOf(key, toUTC(t, env.Location()))}
	}
	local := []int64{t}
	if of == fqgw.Timestamptz {
		local = wallClocks(t, env)
	}
	var out []fqgw.Value
	for _, l := range local {
		if key == fqgw.Timestamp {
			out = append(out, momentOf(key, l))
		} else if d := fqgw.FloorDiv(l, usDay); d*usDay == l {
			out = append(out, momentOf(key, d))
		}
	}
	return out
}

func momentOf(t fqgw.Type, n int64) fqgw.Value {
	if t == fqgw.Date {
		return fqgw.DateValue(n)
	}
	return fqgw.TimestampValue(n)
}

// wallClocks are the times without zone that toUTC takes to t. It goes by the
// offsets of a day before and after: one of those around t.
func wallClocks(t int64, env *fqgw.Env) []int64 {
	loc := env.Location()
	var out []int64
	for days := int64(-2); days <= 2; days++ {
		l := t + offsetAt(t+days*usDay, loc)*usSecond
		if !slices.Contains(out, l) && toUTC(l, loc) == t {
			out = append(out, l)
		}
	}
	slices.Sort(out)
	return out
}
