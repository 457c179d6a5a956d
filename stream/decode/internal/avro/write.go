package avro

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// AppendLong appends an int or a long.
func AppendLong(dst []byte, v int64) []byte {
	return binary.AppendUvarint(dst, uint64(v)<<1^uint64(v>>63))
}

// AppendFloat appends a float.
func AppendFloat(dst []byte, f float32) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(f))
}

// AppendDouble appends a double.
func AppendDouble(dst []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}

// AppendBytes appends bytes, or a string.
func AppendBytes[B []byte | string](dst []byte, b B) []byte {
	return append(AppendLong(dst, int64(len(b))), b...)
}

// AppendDefault appends what a schema gives as the default of a value of type t.
func AppendDefault(dst []byte, t *Type, v any) ([]byte, error) {
	bad := func() ([]byte, error) { return dst, fmt.Errorf("the default %s is no %s", brief(v), t) }
	switch t.Kind {
	case Null:
		if v != nil {
			return bad()
		}
		return dst, nil
	case Boolean:
		b, ok := v.(bool)
		if !ok {
			return bad()
		}
		if b {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case Int, Long:
		n, _ := v.(json.Number)
		i, err := n.Int64()
		if err != nil {
			return bad()
		}
		return AppendLong(dst, i), nil
	case Float, Double:
		n, _ := v.(json.Number)
		f, err := n.Float64()
		switch {
		case err != nil:
			return bad()
		case t.Kind == Float:
			return AppendFloat(dst, float32(f)), nil
		}
		return AppendDouble(dst, f), nil
	case Union:
		for i, b := range t.Branches {
			if out, err := AppendDefault(AppendLong(slices.Clip(dst), int64(i)), b, v); err == nil {
				return out, nil
			}
		}
		return bad()
	case Array, Map, Record:
		return appendDefaults(dst, t, v)
	}
	s, ok := v.(string)
	if !ok {
		return bad()
	}
	switch t.Kind {
	case Enum:
		i := slices.Index(t.Symbols, s)
		if i < 0 {
			return bad()
		}
		return AppendLong(dst, int64(i)), nil
	case String:
		return AppendBytes(dst, s), nil
	}
	var raw []byte // a character is a byte
	for _, r := range s {
		if r > 0xff {
			return bad()
		}
		raw = append(raw, byte(r))
	}
	if t.Kind == Bytes {
		return AppendBytes(dst, raw), nil
	}
	if len(raw) != t.Size {
		return bad()
	}
	return append(dst, raw...), nil
}

func appendDefaults(dst []byte, t *Type, v any) (out []byte, err error) {
	switch v := v.(type) {
	case []any:
		if t.Kind != Array {
			break
		}
		if len(v) > 0 {
			dst = AppendLong(dst, int64(len(v)))
		}
		for _, item := range v {
			if dst, err = AppendDefault(dst, t.Elem, item); err != nil {
				return dst, err
			}
		}
		return append(dst, 0), nil
	case map[string]any:
		if t.Kind == Array {
			break
		}
		if t.Kind == Map {
			if len(v) > 0 {
				dst = AppendLong(dst, int64(len(v)))
			}
			for key, item := range v {
				if dst, err = AppendDefault(AppendBytes(dst, key), t.Elem, item); err != nil {
					return dst, err
				}
			}
			return append(dst, 0), nil
		}
		for i := range t.Fields {
			f := &t.Fields[i]
			value, ok := v[f.Name]
			if !ok && f.HasDefault {
				value = f.Default
			} else if !ok {
				return dst, fmt.Errorf("the default of %s has no %s", t, f.Name)
			}
			if dst, err = AppendDefault(dst, f.Type, value); err != nil {
				return dst, err
			}
		}
		return dst, nil
	}
	return dst, fmt.Errorf("the default %s is no %s", brief(v), t)
}
