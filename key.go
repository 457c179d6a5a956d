package fqgw

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// EntityKey is the encoded tuple of join keys (SEMANTICS §1). Two tuples are
// the same entity exactly when their encodings are equal bytes. Version 1: the
// byte 0x01, then for every column a tag and a payload that says its own
// length:
//
//	'b' bool       one byte, 0 or 1
//	'i' integer    8 bytes big endian, sign bit flipped; every width the same
//	'd' date       8 bytes as an integer: days since 1970-01-01
//	't' timestamp  8 bytes as an integer: microseconds since the epoch
//	's' text       uvarint length, the bytes
//	'y' bytea      uvarint length, the bytes
//	'u' uuid       16 bytes
//
// The encoding outlives the process: it is the Redis key and decides the shard.
type EntityKey string

const entityKeyVersion = 1

// KeyTypeOK says whether a column of type t may be a join key.
func KeyTypeOK(t Type) bool {
	return facts[t.OID].uses&asKey != 0
}

// EncodeKey encodes the tuple; ok is false when a part is NULL, for which there
// is no entity. Values of kinds that cannot be a key panic: the binder refuses them.
func EncodeKey(parts ...Value) (key EntityKey, ok bool) {
	return AppendKey(make([]byte, 0, 1+12*len(parts)), parts)
}

// AppendKey is EncodeKey with a buffer that the caller may use again.
func AppendKey(buf []byte, parts []Value) (EntityKey, bool) {
	b, ok := AppendKeyBytes(buf[:0], parts)
	if !ok {
		return "", false
	}
	return EntityKey(b), true
}

// AppendKeyBytes appends the bytes of the entity key of the tuple; ok is false, and
// what was appended means nothing, when a part is NULL.
func AppendKeyBytes(b []byte, parts []Value) (key []byte, ok bool) {
	b = append(b, entityKeyVersion)
	for _, v := range parts {
		switch v.Kind() {
		case KindNull:
			return b, false
		case KindBool:
			b = append(b, 'b', byte(v.num))
		case KindInt:
			b = appendKeyInt(b, 'i', v.num)
		case KindDate:
			b = appendKeyInt(b, 'd', v.num)
		case KindTimestamp:
			b = appendKeyInt(b, 't', v.num)
		case KindText:
			b = append(binary.AppendUvarint(append(b, 's'), uint64(len(v.str))), v.str...)
		case KindBytes:
			b = append(binary.AppendUvarint(append(b, 'y'), uint64(len(v.str))), v.str...)
		case KindUUID:
			b = append(append(b, 'u'), v.str...)
		default:
			panic(fmt.Sprintf("fqgw: kind %d in an entity key", v.Kind()))
		}
	}
	return b, true
}

func appendKeyInt(b []byte, tag byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, tag), n^1<<63)
}

// DecodeKey is the tuple behind an entity key. Integers come back as KindInt
// whatever their width was.
func DecodeKey(k EntityKey) ([]Value, error) {
	s := string(k)
	if s == "" || s[0] != entityKeyVersion {
		return nil, Errorf(CodeDataCorrupted, "entity key of an unknown version: %q", s)
	}
	var out []Value
	for s = s[1:]; s != ""; {
		tag := s[0]
		s = s[1:]
		n := 8
		switch tag {
		case 'b':
			n = 1
		case 'u':
			n = 16
		case 's', 'y':
			l, w := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
			if w <= 0 || l > uint64(len(s)-w) {
				return nil, Errorf(CodeDataCorrupted, "entity key cut short")
			}
			n, s = int(l), s[w:]
		}
		if len(s) < n {
			return nil, Errorf(CodeDataCorrupted, "entity key cut short")
		}
		p := s[:n]
		s = s[n:]
		switch tag {
		case 'b':
			out = append(out, BoolValue(p[0] != 0))
		case 'i':
			out = append(out, IntValue(keyInt(p)))
		case 'd':
			out = append(out, DateValue(keyInt(p)))
		case 't':
			out = append(out, TimestampValue(keyInt(p)))
		case 's':
			out = append(out, TextValue(p))
		case 'y':
			out = append(out, BytesValue(p))
		case 'u':
			out = append(out, Value{kind: KindUUID, str: p})
		default:
			return nil, Errorf(CodeDataCorrupted, "entity key has an unknown tag %q", tag)
		}
	}
	return out, nil
}

func keyInt(p string) int64 { return int64(binary.BigEndian.Uint64([]byte(p)) ^ 1<<63) }

// Shard is the shard of the entity among n: a stable hash (FNV-1a 64 with
// MurmurHash3's finalizer) of the encoded key. It outlives the process.
func (k EntityKey) Shard(n uint32) uint32 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(k); i++ {
		h = (h ^ uint64(k[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return uint32(h % uint64(n))
}

// String shows the tuple for people: (JFK, 12).
func (k EntityKey) String() string {
	parts, err := DecodeKey(k)
	if err != nil {
		return strconv.Quote(string(k))
	}
	s := "("
	for i, p := range parts {
		if i > 0 {
			s += ", "
		}
		switch p.Kind() {
		case KindText:
			s += p.Str()
		case KindBytes, KindUUID:
			s += fmt.Sprintf("%x", p.Str())
		case KindBool:
			s += strconv.FormatBool(p.Bool())
		default:
			s += strconv.FormatInt(p.Int(), 10)
		}
	}
	return s + ")"
}
