package window

import (
	"reflect"

	"github.com/fqgw/fqgw"
)

var (
	stateSize = int64(reflect.TypeFor[State]().Size())
	tileSize  = int64(reflect.TypeFor[tile]().Size())
	inputSize = int64(reflect.TypeFor[Input]().Size())
	markSize  = int64(reflect.TypeFor[ownMark]().Size())
	countSize = int64(reflect.TypeFor[rowCount]().Size())
	valueSize = int64(reflect.TypeFor[fqgw.Value]().Size())
	keptSize  = int64(reflect.TypeFor[kept]().Size())
)

func sizeOf[T any]() int64 { return int64(reflect.TypeFor[T]().Size()) }

// listing is an accumulator that takes much more in memory than packed.
type listing interface{ bytes() int64 }

// accPlace is an accumulator's place in the list of its tile.
const accPlace = 16

// Bytes is about what the state takes in memory, for who keeps many. packed is
// the length of its encoding where that is known, else 0: it stands for what the
// accumulators refer to (limbs, sketches, texts), lists of events apart. The cost is one
// step a ring, and one a tile with such lists.
func (l *Layout) Bytes(s *State, packed int) int64 {
	n := stateSize + int64(len(s.own))*markSize + 2*int64(packed)
	for i := range s.rings {
		r := &l.rings[i]
		n += int64(len(s.rings[i])) * (tileSize + int64(len(r.filters))*countSize + r.size)
		for _, k := range r.lists {
			for j := range s.rings[i] {
				n += s.rings[i][j].accs[k].(listing).bytes()
			}
		}
	}
	for range s.ahead { // of which each has a tile in each ring, or a few
		n += stateSize
		for i := range l.rings {
			n += tileSize + int64(len(l.rings[i].filters))*countSize + l.rings[i].size
		}
	}
	var row fqgw.Value
	events := int64(len(s.held))
	if s.latest.has {
		events++
	}
	return n + events*(inputSize+int64(len(l.filters))+int64(len(l.args))*row.Bytes())
}

// InputBytes is about what an event takes that is not applied yet.
func InputBytes(in *Input) int64 {
	n := inputSize + int64(len(in.pass))
	for i := range in.args {
		n += in.args[i].Bytes()
	}
	return n
}

// Growth is about the most that a state has grown by, beyond Layout.Bytes, for an event
// that was applied to it since it was last encoded: what accumulators refer to.
func (l *Layout) Growth(s *State, in *Input) int64 {
	if l.growth < 0 || in.VisibleAt() > s.horizon { // it is kept singly
		return InputBytes(in)
	}
	return l.growth
}

// grows is what an event adds at most to what accumulators refer to, bytes; -1 where
// that depends on the event: its texts, its numerics, the room of a sketch.
func (l *Layout) grows() (n int64) {
	const digit = 8 // of a sum of doubles: a new one comes with a value of another magnitude
	if l.view.Latest {
		return -1
	}
	for i := range l.rings {
		for _, a := range l.rings[i].accs {
			switch a.kind {
			case kindCount, kindIntSum, kindIntMoments, kindBools:
			case kindFloatSum:
				n += digit
			case kindFloatMoments:
				n += 2 * digit
			case kindMin, kindMax:
				switch l.args[a.arg].expr.Type().Kind() {
				case fqgw.KindInt, fqgw.KindFloat, fqgw.KindBool, fqgw.KindDate, fqgw.KindTime, fqgw.KindTimestamp:
				default:
					return -1
				}
			default:
				return -1
			}
		}
	}
	return n
}
