package window

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
)

// collected takes a row as values.
type collected []fqgw.Value

func (c *collected) Null()              { *c = append(*c, fqgw.Null) }
func (c *collected) Float(f float64)    { *c = append(*c, fqgw.FloatValue(f)) }
func (c *collected) Value(v fqgw.Value) { *c = append(*c, v) }

func (c *collected) Numeric(d fqgw.ShortDecimal) { *c = append(*c, fqgw.NumericValue(d.Decimal())) }

func (c *collected) Int(k fqgw.Kind, n int64) {
	switch k {
	case fqgw.KindDate:
		*c = append(*c, fqgw.DateValue(n))
	case fqgw.KindTime:
		*c = append(*c, fqgw.TimeValue(n))
	case fqgw.KindTimestamp:
		*c = append(*c, fqgw.TimestampValue(n))
	default:
		*c = append(*c, fqgw.IntValue(n))
	}
}

func (c *collected) Bytes(k fqgw.Kind, b []byte) {
	switch k {
	case fqgw.KindText:
		*c = append(*c, fqgw.TextValue(string(b)))
	case fqgw.KindBytes:
		*c = append(*c, fqgw.BytesValue(string(b)))
	default:
		*c = append(*c, fqgw.UUIDValue([16]byte(b)))
	}
}

// double is a read expression whose value the test decides.
type double struct {
	typ  fqgw.Type
	eval func(row []fqgw.Value) (fqgw.Value, error)
}

func (d double) Type() fqgw.Type                                        { return d.typ }
func (d double) String() string                                         { return "of two slots" }
func (d double) Eval(_ *fqgw.Env, row []fqgw.Value) (fqgw.Value, error) { return d.eval(row) }

// programViews are views whose features are slots, expressions over several slots,
// with defaults and without.
func programViews() map[string]*fqgw.FeatureView {
	views := answerViews()
	for _, name := range []string{"latest", "latest with max_age"} {
		v := newLatest(0)
		if name != "latest" {
			v = newLatest(hour)
		}
		views[name] = v
	}
	for _, v := range views {
		slots := len(v.SlotTypes())
		for i := range v.Features {
			f := &v.Features[i]
			if f.Slots == nil {
				continue
			}
			switch i % 4 {
			case 1:
				f.Default = fqgw.TextValue("instead")
			case 2:
				a, b := f.Slots[0], (f.Slots[0]+1)%slots
				of := func(row []fqgw.Value) (fqgw.Value, error) {
					x, y := row[len(v.Keys)+a], row[len(v.Keys)+b]
					switch {
					case x.IsNull():
						return y, nil
					case y.IsNull():
						return fqgw.Null, fqgw.Errorf(fqgw.CodeDivisionByZero, "no")
					}
					return x, nil
				}
				f.Read, f.Slots = double{f.Type, of}, []int{min(a, b), max(a, b)}
			}
		}
	}
	return views
}

// TestProgram: for any columns, at any time, a program says from the packed state,
// by value and written, what the rules say of the state, read whole; and of a
// reading of what is shown alone the same.
func TestProgram(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 17))
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for name, v := range programViews() {
		l := layout(t, v)
		every := everyFeature(v)
		for i := range v.Keys {
			every = append(every, fqgw.Output{Kind: fqgw.OutKey, Index: i})
		}
		var a Answer // it is used again
		for range rounds {
			var outs []fqgw.Output
			for range r.IntN(6) {
				outs = append(outs, every[r.IntN(len(every))])
			}
			p := NewProgram(l, v, outs)
			seed := r.Uint64()
			s := randomState(t, l, rand.New(rand.NewPCG(1, seed)))
			few := randomState(t, p.Shown(), rand.New(rand.NewPCG(1, seed)))
			b := l.Encode(nil, s)
			for _, at := range []int64{s.horizon, s.horizon + r.Int64N(3*hour), s.horizon + r.Int64N(3*day)} {
				whole := l.Read(s, at)
				if len(b) == 0 {
					whole = l.Empty(at)
				}
				key := make([]fqgw.Value, len(v.Keys))
				for i := range key {
					key[i] = fqgw.TextValue("a")
				}
				a.Key, a.Late, a.Shown = key, r.IntN(5) == 0, false
				if r.IntN(5) == 0 && len(v.Keys) > 0 {
					a.Key = nil
				}
				for _, way := range []string{"online", "history"} {
					switch {
					case a.Key == nil || a.Late:
						p.Empty(&a, at)
					case way == "online":
						if err := p.Online(&a, b, at); err != nil {
							t.Fatalf("%s: %v", name, err)
						}
					case len(b) > 0:
						reading := p.Shown().Read(few, at)
						p.Of(&a, &reading)
					}
					if a.Shown = a.Key != nil && (a.Exists || a.Late); a.Key != nil && !a.Late && a.Exists != whole.Exists {
						t.Fatalf("%s: there is a row: %t, it must be %t", name, a.Exists, whole.Exists)
					}
					sameColumns(t, name+", "+way, p, &a, outs, naiveFeatures(v, a.Key, &whole, &fqgw.Env{}))
				}
			}
		}
	}
}

// sameColumns compares a program's columns with what the features must be.
func sameColumns(t *testing.T, name string, p *Program, a *Answer, outs []fqgw.Output, features []naiveFeature) {
	t.Helper()
	for i, o := range outs {
		var want fqgw.Value
		status := fqgw.StatusPresent
		if o.Kind == fqgw.OutKey {
			if status = fqgw.StatusNotFound; a.Shown {
				want, status = a.Key[o.Index], fqgw.StatusPresent
			}
		} else {
			f := features[o.Index].FeatureValue
			if a.Late {
				f = FeatureValue{Value: p.view.Features[o.Index].Default, Status: fqgw.StatusTimeout, Time: NoTime}
			}
			status = f.Status
			switch {
			case o.Kind == fqgw.OutFeature:
				want = f.Value
			case o.Kind == fqgw.OutStatus:
				want = fqgw.TextValue(f.Status.String())
			case f.Time != NoTime:
				want = fqgw.TimestampValue(f.Time)
			}
		}
		got, gotStatus := p.Value(a, i)
		var written collected
		writtenStatus := p.Write(&written, a, i)
		if !bytes.Equal(fqgw.AppendPacked(nil, got), fqgw.AppendPacked(nil, want)) || !bytes.Equal(fqgw.AppendPacked(nil, written[0]), fqgw.AppendPacked(nil, want)) || len(written) != 1 {
			t.Fatalf("%s: column %d (%+v) is %s, written %s; it must be %s", name, i, o, show(got), show(written[0]), show(want))
		}
		if gotStatus != status || writtenStatus != status {
			t.Fatalf("%s: column %d (%+v) has the status %s, written %s; it must be %s", name, i, o, gotStatus, writtenStatus, status)
		}
	}
}

// TestProgramRefuses: a program that shows everything refuses exactly what Decode
// refuses; one that shows little never panics, and takes what is sound.
func TestProgramRefuses(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 19))
	for name, v := range answerViews() {
		l := layout(t, v)
		little := NewProgram(l, v, []fqgw.Output{{Kind: fqgw.OutFeature, Index: r.IntN(len(v.Features))}})
		a := Answer{Key: make([]fqgw.Value, len(v.Keys))}
		for range 2000 {
			b := l.Encode(nil, goldenState(t, l))
			for range r.IntN(3) {
				b[r.IntN(len(b))] = byte(r.IntN(256))
			}
			if r.IntN(4) == 0 {
				b = b[:r.IntN(len(b))]
			}
			_, err := l.Decode(b)
			if few := little.Online(&a, b, 0); few != nil {
				if err == nil {
					t.Fatalf("%s: %x is refused: %v", name, b, few)
				}
				continue
			}
			for i := range little.outputs {
				little.Write(&collected{}, &a, i)
			}
		}
	}
}
