package stream

import "github.com/fqgw/fqgw"

// offsetIn is the offset from which a mark's owner still needs the partition,
// in an epoch of the topic.
func offsetIn(m fqgw.Mark, epoch int32) int64 {
	if m.Epoch == epoch {
		return m.Next
	}
	return 0
}

// samePlace compares two vectors without their generations.
func samePlace(a, b fqgw.Marks) bool {
	for p := range int32(max(len(a), len(b))) {
		if x, y := a.Of(p), b.Of(p); x.Epoch != y.Epoch || x.Next != y.Next {
			return false
		}
	}
	return true
}

// sameMarks compares the first n entries of two vectors, with their generations.
// The store may have more, of partitions that an incarnation before had.
func sameMarks(a, b fqgw.Marks, n int) bool {
	for p := range int32(n) {
		if a.Of(p) != b.Of(p) {
			return false
		}
	}
	return true
}

// further is the entrywise maximum of a and b with the generations of a.
func further(a, b fqgw.Marks) fqgw.Marks {
	out := make(fqgw.Marks, max(len(a), len(b)))
	for p := range out {
		x, y := a.Of(int32(p)), b.Of(int32(p))
		if out[p] = x; x.Before(y) {
			out[p].Epoch, out[p].Next = y.Epoch, y.Next
		}
	}
	return out
}

// byPartition is a vector as the list that the online store takes.
func byPartition(m fqgw.Marks, partitions int) []fqgw.PartitionMark {
	out := make([]fqgw.PartitionMark, partitions)
	for p := range out {
		out[p] = fqgw.PartitionMark{Partition: int32(p), Mark: m.Of(int32(p))}
	}
	return out
}

func vector(list []fqgw.PartitionMark) fqgw.Marks {
	var out fqgw.Marks
	for _, m := range list {
		out = out.Set(m.Partition, m.Mark)
	}
	return out
}
