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
	var row fqgw.Value
	events := int64(len(s.held))
	if s.latest.has {
		events++
	}
	return n + events*(inputSize+int64(len(l.filters))+int64(len(l.args))*row.Bytes())
}

// InputBytes is about what an event takes that is not applied yet, and at most
// what a state grows by it beyond its tiles: their texts and sketches are in
// Layout.Bytes only once the state was encoded.
func InputBytes(in *Input) int64 {
	n := inputSize + int64(len(in.pass))
	for i := range in.args {
		n += in.args[i].Bytes()
	}
	return n
}
