package redis

import (
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"

	"github.com/fqgw/fqgw"
)

// The layout outlives the process; testdata/layout.golden pins it.
//
//	fq:{<shard>}:<view>@<state>:<entity key>   the packed state of an entity, a STRING
//	fq:{<shard>}:<view>@<state>!               the unit's positions, a STRING
//	fq:shards                                  the shard count, decimal
//
// The shard is decimal and the only hash tag, so that all keys of a shard share
// a Redis Cluster slot. View names are query-escaped: no braces, colons, @ or !.
// The positions are a header and one entry per partition, so that a script
// reads and writes just the entries of the partitions that its caller owns; a
// missing entry is all zeros.
//
//	header, 16 bytes    'f' 'q' 'u' version 1, zeros
//	entry, 20 bytes     generation u64, epoch u32, next offset u64; big endian
const (
	shardsKey   = "fq:shards"
	marksHeader = "fqu\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	markSize    = 20
)

func unitPrefix(u fqgw.Unit) string {
	return fmt.Sprintf("fq:{%d}:%s@%d", u.Shard, url.QueryEscape(u.View), u.State)
}

func marksKey(u fqgw.Unit) string { return unitPrefix(u) + "!" }

func stateKey(u fqgw.Unit, k fqgw.EntityKey) string { return unitPrefix(u) + ":" + string(k) }

// entityOf is the entity key in a state's Redis key.
func entityOf(redisKey string) (fqgw.EntityKey, bool) {
	_, rest, ok := strings.Cut(redisKey, "@")
	if !ok {
		return "", false
	}
	_, key, ok := strings.Cut(rest, ":")
	return fqgw.EntityKey(key), ok
}

func appendMark(dst []byte, m fqgw.Mark) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.Generation)
	dst = binary.BigEndian.AppendUint32(dst, uint32(m.Epoch))
	return binary.BigEndian.AppendUint64(dst, uint64(m.Next))
}

func decodeMark(b string) fqgw.Mark {
	if len(b) < markSize {
		return fqgw.Mark{}
	}
	p := []byte(b[:markSize])
	return fqgw.Mark{Generation: binary.BigEndian.Uint64(p), Epoch: int32(binary.BigEndian.Uint32(p[8:])), Next: int64(binary.BigEndian.Uint64(p[12:]))}
}

// decodeMarks reads a unit's positions; "" is none.
func decodeMarks(s string) (fqgw.Marks, error) {
	if s == "" {
		return nil, nil
	}
	if len(s) < len(marksHeader) || s[:4] != marksHeader[:4] {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "online store: positions of an unknown format: %.8q", s)
	}
	var out fqgw.Marks
	for s = s[len(marksHeader):]; len(s) > 0; s = s[min(len(s), markSize):] {
		out = append(out, decodeMark(s))
	}
	return out, nil
}
