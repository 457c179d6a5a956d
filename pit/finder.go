package pit

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/fqgw/fqgw"
)

// finder finds the entities of a spine by the values of their join keys.
type finder struct {
	keys  []fqgw.Type
	byKey map[string]int32
	// Where the key is one integer, a table of a power of two places.
	numbers  []int64
	entities []int32 // of the places; -1: free
	shift    int
}

func finderOf(s *Spine, v *fqgw.FeatureView) *finder {
	f := &finder{byKey: make(map[string]int32, len(s.entities))}
	for _, k := range v.Keys {
		f.keys = append(f.keys, v.Source.Columns[k.Column].Type)
	}
	first := make([]uint32, len(s.entities)) // a probe of each
	from := uint32(0)
	for e, to := range s.entities {
		first[e] = s.order[from]
		from = to
	}
	numbers, ok := s.numbers()
	if ok = ok && len(f.keys) == 1 && f.keys[0].Kind() == fqgw.KindInt && len(first) > 0; ok {
		key, _ := fqgw.AppendKeyBytes(nil, []fqgw.Value{fqgw.IntValue(numbers[first[0]])})
		ok = fqgw.EntityKey(key) == s.key(first[0])
	}
	if !ok {
		for e, i := range first {
			f.byKey[string(s.key(i))] = int32(e)
		}
		return f
	}
	bits := 4
	for 1<<bits < 2*len(first) {
		bits++
	}
	f.shift, f.numbers, f.entities = 64-bits, make([]int64, 1<<bits), make([]int32, 1<<bits)
	for i := range f.entities {
		f.entities[i] = -1
	}
	for e, i := range first {
		at := f.place(numbers[i])
		for f.entities[at] >= 0 {
			at = (at + 1) & (len(f.entities) - 1)
		}
		f.numbers[at], f.entities[at] = numbers[i], int32(e)
	}
	return f
}

func (f *finder) place(n int64) int { return int(uint64(n) * 0x9e3779b97f4a7c15 >> f.shift) }

func (f *finder) number(n int64) int32 {
	for at := f.place(n); ; at = (at + 1) & (len(f.entities) - 1) {
		if e := f.entities[at]; e < 0 || f.numbers[at] == n {
			return e
		}
	}
}

// of is the entity of each row whose join keys lie in those columns, -1 for none.
func (f *finder) of(keys []arrow.Array) func(row int) int32 {
	if f.numbers != nil {
		switch a := keys[0].(type) {
		case *array.Int64:
			return numbered(f, a, a.Int64Values())
		case *array.Int32:
			return numbered(f, a, a.Int32Values())
		case *array.Int16:
			return numbered(f, a, a.Int16Values())
		}
	}
	parts := make([]fqgw.Value, len(keys))
	var key []byte
	return func(row int) int32 {
		for i, a := range keys {
			parts[i] = fqgw.ArrowView(a, row, f.keys[i])
		}
		var ok bool
		if key, ok = fqgw.AppendKeyBytes(key[:0], parts); !ok {
			return -1
		}
		if f.numbers != nil {
			return f.number(parts[0].Int())
		}
		if e, ok := f.byKey[string(key)]; ok {
			return e
		}
		return -1
	}
}

func numbered[T int16 | int32 | int64](f *finder, a arrow.Array, values []T) func(row int) int32 {
	nulls := a.NullN() > 0
	return func(row int) int32 {
		if nulls && a.IsNull(row) {
			return -1
		}
		return f.number(int64(values[row]))
	}
}

// micros are times of a column.
type micros struct {
	of     arrow.Array
	typ    fqgw.Type
	nulls  bool
	values []arrow.Timestamp // nil: they are read one by one
}

func microsOf(a arrow.Array, t fqgw.Type) micros {
	m := micros{of: a, typ: t, nulls: a.NullN() > 0}
	if ts, ok := a.(*array.Timestamp); ok && ts.DataType().(*arrow.TimestampType).Unit == arrow.Microsecond {
		m.values = ts.TimestampValues()
	}
	return m
}

// at is the time of a row; false for NULL.
func (m *micros) at(row int) (int64, bool) {
	if m.nulls && m.of.IsNull(row) {
		return 0, false
	}
	if m.values != nil {
		return int64(m.values[row]), true
	}
	return fqgw.Micros(fqgw.ArrowView(m.of, row, m.typ))
}
