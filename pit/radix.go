package pit

// radix sorts the indices in order by the keys that they point at, keeping the order
// of equal ones. It returns them, and what it does not need of order and spare,
// which is as long.
func radix[T uint32 | ~int64](keys []T, order, spare []uint32) (sorted, rest []uint32) {
	if len(order) < 2 {
		return order, spare
	}
	unsigned := func(i uint32) uint64 { return uint64(int64(keys[i])) ^ 1<<63 }
	const bits, digits = 11, 6
	differ := uint64(0)
	first := unsigned(order[0])
	for _, i := range order {
		differ |= unsigned(i) ^ first
	}
	for d := range digits {
		shift := d * bits
		if differ>>shift&(1<<bits-1) == 0 {
			continue
		}
		var at [1 << bits]uint32
		for _, i := range order {
			at[unsigned(i)>>shift&(1<<bits-1)]++
		}
		sum := uint32(0)
		for i := range at {
			at[i], sum = sum, sum+at[i]
		}
		for _, i := range order {
			digit := unsigned(i) >> shift & (1<<bits - 1)
			spare[at[digit]] = i
			at[digit]++
		}
		order, spare = spare, order
	}
	return order, spare
}
