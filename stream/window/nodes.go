package window

// nodes are sums of some events each: a row count for each filter, and the accumulators.
type nodes struct {
	of   *Sweep
	n    int
	rows []rowCount      // by node, by Sweep.filters
	accs [][]accumulator // by Sweep.accs, by node
}

// grow makes room for n nodes; new ones are empty.
func (t *nodes) grow(n int) {
	if n <= t.n {
		return
	}
	more := max(n, t.n+t.n/2) - t.n
	t.rows = append(t.rows, make([]rowCount, more*len(t.of.filters))...)
	if t.accs == nil {
		t.accs = make([][]accumulator, len(t.of.accs))
	}
	for i := range t.accs {
		t.accs[i] = append(t.accs[i], t.of.accs[i].kind.make(more)...)
	}
	t.n += more
}

// add counts the events [from, to) into node i.
func (t *nodes) add(i int32, e *Events, from, to int) error {
	s := &t.of.events
	s.Events, s.from, s.to = e, from, to
	rows := t.row(int(i))
	for k, f := range t.of.filters {
		pass, c := e.filter(f), &rows[k]
		if pass == nil {
			c.add(e.Times[to-1])
			c.n += uint64(to - from - 1)
			continue
		}
		for j := from; j < to; j++ {
			if pass[j] {
				c.add(e.Times[j])
			}
		}
	}
	for k := range t.of.accs {
		a := &t.of.accs[k]
		if s.pass, s.inner, s.col = e.filter(t.of.filters[a.filter]), e.filter(a.inner), &e.Args[a.arg]; rows[a.filter].n == 0 {
			continue
		}
		if err := addSome(t.accs[k][i], s); err != nil {
			return err
		}
	}
	return nil
}

func (t *nodes) row(i int) []rowCount {
	n := len(t.of.filters)
	return t.rows[i*n : (i+1)*n]
}

// merge counts into node i what node k of from has counted.
func (t *nodes) merge(i int, from *nodes, k int) {
	rows, other := t.row(i), from.row(k)
	if other[0].n == 0 {
		return
	}
	for f := range rows {
		rows[f].merge(other[f])
	}
	for a := range t.accs {
		if other[t.of.accs[a].filter].n > 0 {
			t.accs[a][i].merge(from.accs[a][k])
		}
	}
}

// swap exchanges two nodes.
func (t *nodes) swap(i, k int) {
	a, b := t.row(i), t.row(k)
	for f := range a {
		a[f], b[f] = b[f], a[f]
	}
	for _, accs := range t.accs {
		accs[i], accs[k] = accs[k], accs[i]
	}
}

// clear makes node i empty.
func (t *nodes) clear(i int) {
	rows := t.row(i)
	if rows[0].n == 0 {
		return
	}
	for a := range t.accs {
		if s := &t.of.accs[a]; rows[s.filter].n > 0 {
			s.kind.clear(t.accs[a][i])
		}
	}
	clear(rows)
}
