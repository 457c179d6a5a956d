package redis

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// The layout outlives the process; testdata/layout.golden pins it.
//
//	fq:{<shard>}:<state>:<entity key>   the packed state of an entity, a STRING
//	fq:{<shard>}:<state>!               the unit's positions, a STRING
//	fq:shards                           the shard count, decimal
//	fq:owner                            the id of the registry whose states these are
//
// The shard is decimal and the only hash tag, so that all keys of a shard share
// a Redis Cluster slot; so is the state version's number (fqgw.Unit).
// The positions are a header and one entry per partition, so that a script
// compares and writes just the entries of the partitions that its caller owns;
// a missing entry is all zeros. They lie between records, whose changes are written
// together: there is no sub-position.
//
//	header, 16 bytes    'f' 'q' 'u' version 1, zeros
//	entry, 20 bytes     generation u64, epoch u32, next offset u64; big endian
const (
	shardsKey   = "fq:shards"
	ownerKey    = "fq:owner"
	marksHeader = "fqu\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	markSize    = 20
)

// unitPrefix is what all keys of a unit begin with.
func unitPrefix(u fqgw.Unit) string { return string(appendPrefix(nil, u)) }

func appendPrefix(dst []byte, u fqgw.Unit) []byte {
	dst = strconv.AppendUint(append(dst, "fq:{"...), uint64(u.Shard), 10)
	return strconv.AppendInt(append(dst, "}:"...), u.State, 10)
}

func marksKey(prefix string) string { return prefix + "!" }

func stateKey(prefix string, k fqgw.EntityKey) string { return prefix + ":" + string(k) }

// keyOf takes a Redis key of the state version apart; marks says that it holds
// positions. A key for which ok is false is of something else: a glob also
// finds what it looks for inside the bytes of a stranger's entity key.
func keyOf(redisKey, state string) (k fqgw.EntityKey, marks, ok bool) {
	rest, ok := strings.CutPrefix(redisKey, "fq:{")
	if !ok {
		return "", false, false
	}
	shard, rest, _ := strings.Cut(rest, "}:")
	if _, err := strconv.ParseUint(shard, 10, 32); err != nil {
		return "", false, false
	}
	rest, ok = strings.CutPrefix(rest, state)
	switch {
	case !ok || rest == "":
		return "", false, false
	case rest == "!":
		return "", true, true
	}
	return fqgw.EntityKey(rest[1:]), false, rest[0] == ':'
}

// IsPositions says whether a Redis key holds the positions of a unit. Whoever copies
// a store that is written to reads these first: a state that is newer than its unit's
// positions knows its own, one that is older would have lost what lies between.
func IsPositions(redisKey string) bool {
	_, rest, ok := strings.Cut(redisKey, "}:")
	state, marks := strings.CutSuffix(rest, "!")
	_, err := strconv.ParseInt(state, 10, 64)
	return ok && marks && err == nil && strings.HasPrefix(redisKey, "fq:{")
}

// markOffset is where the entry of a partition begins.
func markOffset(partition int32) int { return len(marksHeader) + markSize*int(partition) }

func appendMark(dst []byte, m fqgw.Mark) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.Generation)
	dst = binary.BigEndian.AppendUint32(dst, uint32(m.Epoch))
	return binary.BigEndian.AppendUint64(dst, uint64(m.Next))
}

// decodeMark reads an entry of markSize bytes.
func decodeMark(s string) fqgw.Mark { return markOf([]byte(s[:markSize])) }

func markOf(b []byte) fqgw.Mark {
	return fqgw.Mark{Generation: binary.BigEndian.Uint64(b), Epoch: int32(binary.BigEndian.Uint32(b[8:])), Next: int64(binary.BigEndian.Uint64(b[12:]))}
}

// appendMarks reads a unit's positions; nil is none.
func appendMarks(dst fqgw.Marks, b []byte) (fqgw.Marks, error) {
	if b == nil {
		return dst, nil
	}
	if len(b) < len(marksHeader) || string(b[:4]) != marksHeader[:4] || (len(b)-len(marksHeader))%markSize != 0 {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "online store: positions of an unknown format: %.8q", b)
	}
	for b = b[len(marksHeader):]; len(b) > 0; b = b[markSize:] {
		dst = append(dst, markOf(b))
	}
	return dst, nil
}
