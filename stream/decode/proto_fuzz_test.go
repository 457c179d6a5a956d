package decode

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/fqgw/fqgw"
)

const protoFuzzed = `syntax = "proto3"; enum E { A = 0; B = 1; C = -5; }
	message M { int32 f1 = 1; sint32 f2 = 2; uint64 f3 = 3; fixed32 f4 = 4; sfixed64 f5 = 5; double f6 = 6; float f7 = 7; bool f8 = 8; string f9 = 9; bytes f10 = 10; E f11 = 11;
	optional int64 f12 = 12; repeated sint64 f13 = 13; repeated fixed32 f14 = 14; repeated string f15 = 15; repeated M f16 = 16; map<int32, string> f17 = 17; map<string, M> f18 = 18;
	oneof o { int32 f19 = 19; string f20 = 20; M f21 = 21; } M f22 = 22; repeated E f23 = 23; repeated bool f2000 = 2000; }`

// FuzzProtobuf: whatever fields a record has, in whatever order and how often, it is what
// the reference implementation makes of it: each column by itself, and messages as
// documents. What that refuses is refused or read, and never with a panic.
func FuzzProtobuf(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, []byte{byte(seed), 0xff, byte(seed >> 4)})
	}
	file := protoFile(f, protoFuzzed, nil)
	md := protoMessageOf(file, "M")
	s := protoSource(protoFuzzed, "")
	cols, err := SchemaColumns(s, &fqgw.RecordSchema{Type: SchemaType(s.Format), Text: protoFuzzed}, map[string]string{"deep": "f22.f22.f1", "of": "f21.f9", "key": "f17.7"})
	if err != nil {
		f.Fatal(err)
	}
	s.Columns = cols
	made, err := New(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, seed uint64, flips []byte) {
		g := &protoRandom{rand.New(rand.NewPCG(seed, 0))}
		b := g.message(nil, md, 0)
		check := func() {
			theirs := dynamicpb.NewMessage(md)
			refused := protoUnmarshal(b, theirs)
			changes, err := made.Decode(&fqgw.LogRecord{Value: bytes.Clone(b)}, nil)
			if len(changes) != 1 || len(changes[0].Row) != len(cols) {
				t.Fatalf("%x: %d changes, %v", b, len(changes), err)
			}
			if refused != nil || fqgw.HasCode(err, fqgw.CodeNotInRepertoire) { // PostgreSQL's texts have no NUL
				return
			}
			if err != nil {
				t.Fatalf("%x: %v", b, err)
			}
			for i, c := range cols {
				want, got := protoTheirs(theirs, c.Name), protoOurs(c.Type, changes[0].Row[i])
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("%x: %s is %v, not %v", b, c.Name, got, want)
				}
			}
		}
		check()
		for i, flip := range flips[:min(len(flips), 8)] {
			if len(b) == 0 {
				break
			}
			b[(i*7+int(flip))%len(b)] ^= flip | 1
			check()
		}
	})
}

// protoUnmarshal is the reference's, which panics at an entry of a map that has another
// type's key behind its own.
func protoUnmarshal(b []byte, m proto.Message) (err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("%v", why)
		}
	}()
	return proto.Unmarshal(b, m)
}

// protoOurs is a value of a column as plain JSON.
func protoOurs(typ fqgw.Type, v fqgw.Value) any {
	if l := v.List(); l != nil {
		out := []any{}
		for _, item := range l.Items {
			out = append(out, protoOurs(typ.Elem(), item))
		}
		return out
	}
	switch v.Kind() {
	case fqgw.KindNull:
		return nil
	case fqgw.KindBool:
		return v.Bool()
	case fqgw.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case fqgw.KindFloat:
		return fmt.Sprint(v.Float())
	case fqgw.KindNumeric:
		return v.Numeric().String()
	case fqgw.KindBytes:
		return `\x` + hex.EncodeToString([]byte(v.Str()))
	}
	if typ.OID == fqgw.JSONB.OID {
		return protoDocumentOf([]byte(v.Str()))
	}
	return v.Str()
}

func protoDocumentOf(b []byte) (out any) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return err
	}
	return protoPlain(out)
}

// protoPlain has numbers as texts.
func protoPlain(v any) any {
	switch x := v.(type) {
	case json.Number:
		return "n" + x.String()
	case map[string]any:
		for k := range x {
			x[k] = protoPlain(x[k])
		}
	case []any:
		for i := range x {
			x[i] = protoPlain(x[i])
		}
	}
	return v
}

// protoTheirs is the column of a name of the reference's message.
func protoTheirs(m protoreflect.Message, name string) any {
	field := func(m protoreflect.Message, name protoreflect.Name) protoreflect.FieldDescriptor {
		return m.Descriptor().Fields().ByName(name)
	}
	switch name {
	case "deep":
		f22 := field(m, "f22")
		if !m.Has(f22) || !m.Get(f22).Message().Has(f22) {
			return nil
		}
		return protoScalar(field(m, "f1"), m.Get(f22).Message().Get(f22).Message().Get(field(m, "f1")), "")
	case "of":
		if f21 := field(m, "f21"); m.Has(f21) {
			return m.Get(f21).Message().Get(field(m, "f9")).String()
		}
		return nil
	case "key":
		if v := m.Get(field(m, "f17")).Map().Get(protoreflect.ValueOfInt32(7).MapKey()); v.IsValid() {
			return v.String()
		}
		return nil
	}
	f := field(m, protoreflect.Name(name))
	if f.HasPresence() && !m.Has(f) {
		return nil
	}
	prefix := "" // of numbers
	if f.IsMap() || f.Message() != nil {
		prefix = "n"
	}
	return protoValueOf(f, m.Get(f), prefix)
}

func protoValueOf(f protoreflect.FieldDescriptor, v protoreflect.Value, prefix string) any {
	switch {
	case f.IsMap():
		out := map[string]any{}
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			out[k.String()] = protoScalar(f.MapValue(), v, prefix)
			return true
		})
		return out
	case f.IsList():
		out := []any{}
		for i := range v.List().Len() {
			out = append(out, protoScalar(f, v.List().Get(i), prefix))
		}
		return out
	}
	return protoScalar(f, v, prefix)
}

func protoScalar(f protoreflect.FieldDescriptor, v protoreflect.Value, prefix string) any {
	switch x := v.Interface().(type) {
	case protoreflect.Message:
		out := map[string]any{}
		for i := range x.Descriptor().Fields().Len() {
			if in := x.Descriptor().Fields().Get(i); x.Has(in) || !in.HasPresence() {
				out[string(in.Name())] = protoValueOf(in, x.Get(in), "n")
			}
		}
		return out
	case protoreflect.EnumNumber:
		if d := f.Enum().Values().ByNumber(x); d != nil {
			return string(d.Name())
		}
		return strconv.Itoa(int(x))
	case []byte:
		return `\x` + hex.EncodeToString(x)
	case bool, string:
		return x
	case float64, float32:
		if prefix != "" {
			size := 64
			if f.Kind() == protoreflect.FloatKind {
				size = 32
			}
			b := fmt.Appendf(nil, "%s", strconv.FormatFloat(v.Float(), 'g', -1, size))
			if math.IsNaN(v.Float()) {
				return "NaN"
			} else if math.IsInf(v.Float(), 0) {
				return map[bool]string{true: "Infinity", false: "-Infinity"}[v.Float() > 0]
			}
			n, _ := appendJSONB(nil, b)
			return "n" + string(n)
		}
		return fmt.Sprint(v.Float())
	}
	return prefix + fmt.Sprint(v.Interface())
}

// protoRandom makes the bytes of random messages.
type protoRandom struct{ *rand.Rand }

func (g *protoRandom) message(b []byte, md protoreflect.MessageDescriptor, depth int) []byte {
	fields := md.Fields()
	for range g.IntN(12 >> min(depth, 3)) {
		f := fields.Get(g.IntN(fields.Len()))
		n := f.Number()
		switch g.IntN(12) {
		case 0: // one that the schema does not have
			n = protowire.Number(100 + g.IntN(3))
		case 1: // another wire type
			b = protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), g.Uint64())
			continue
		case 2: // a group
			b = protowire.AppendTag(g.message(protowire.AppendTag(b, 200, protowire.StartGroupType), md, depth+2), 200, protowire.EndGroupType)
			continue
		}
		if wire, one := g.value(f, depth); f.IsList() && wire != protowire.BytesType && g.IntN(2) == 0 {
			var run []byte
			for range g.IntN(4) {
				_, v := g.value(f, depth)
				run = append(run, v...)
			}
			b = protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), run)
		} else {
			b = append(protowire.AppendTag(b, n, wire), one...)
		}
	}
	return b
}

func (g *protoRandom) value(f protoreflect.FieldDescriptor, depth int) (protowire.Type, []byte) {
	switch f.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return protowire.BytesType, protowire.AppendString(nil, []string{"", "a", "zoë", "7", "a long text that is nowhere else at all"}[g.IntN(5)])
	case protoreflect.MessageKind:
		return protowire.BytesType, protowire.AppendBytes(nil, g.message(nil, f.Message(), depth+1))
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type, protowire.AppendFixed32(nil, g.Uint32())
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type, protowire.AppendFixed64(nil, g.Uint64())
	}
	return protowire.VarintType, protowire.AppendVarint(nil, g.Uint64()>>g.IntN(64)&^(uint64(g.IntN(2))*^uint64(7)))
}
