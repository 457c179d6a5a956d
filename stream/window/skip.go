package window

// What nobody asked for is passed over in the packed bytes: what cannot be told
// from its length alone is damage here too, but nothing is computed.

func (r *reader) skipMoment() {
	var in Input
	r.moment(&in, 0)
}

func (r *reader) skipExact() {
	head := r.Uvarint()
	if head == 0 {
		return
	}
	if shift := r.Uvarint(); head < 2 || head>>1 > maxExactBits/8 || shift > maxExactBits {
		r.Fail()
		return
	}
	r.Take(int(head >> 1))
}

// skipCount passes over a count with specials; it gives the number of values that
// are not special.
func (r *reader) skipCount() (plain uint64) {
	var s specials
	_, plain = s.readCount(r)
	return plain
}

func skipCounter(r *reader) { r.Uvarint() }

func skipIntSum(r *reader) {
	if r.Uvarint() > 0 {
		r.int128()
	}
}

func skipFloatSum(r *reader) {
	if r.skipCount() > 0 {
		r.skipExact()
	}
}

func skipNumericSum(r *reader) { r.skipScales(1) }

// skipScales passes over sums by scale, of as many numbers each.
func (r *reader) skipScales(numbers int) {
	if r.skipCount() == 0 {
		return
	}
	for k := r.Uvarint(); k > 0 && !r.Bad(); k-- {
		r.Uvarint()
		r.Uvarint()
		for range numbers {
			r.SkipBig()
		}
	}
}

func skipIntMoments(r *reader) {
	if r.Uvarint() > 0 {
		r.skipExact()
		r.skipExact()
	}
}

func skipFloatMoments(r *reader) {
	if r.skipCount() > 0 {
		r.skipExact()
		r.skipExact()
	}
}

func skipNumericMoments(r *reader) { r.skipScales(2) }
func skipExtreme(r *reader)        { r.Skip() }

func skipBools(r *reader) {
	r.Uvarint()
	r.Uvarint()
}

func skipEdge(r *reader) {
	r.skipMoment()
	r.Skip()
}

func skipDistinct(r *reader) {
	switch n := int(r.Byte()); {
	case n <= maxExactSet:
		r.Take(8 * n)
	case n == maxExactSet+1:
		r.Take(denseBytes)
	default:
		r.Fail()
	}
}

func skipSketch(r *reader) {
	var s specials
	s.readCount(r)
	for range 2 {
		n := r.Uvarint()
		if n == 0 {
			continue
		}
		if n > maxBins {
			r.Fail()
		}
		for i := uint64(0); i < 2*n && !r.Bad(); i++ {
			r.Uvarint()
		}
		r.Uvarint()
	}
}
