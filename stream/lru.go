package stream

// lru is the order in which a folder's entries were used.
type lru struct {
	newest, oldest *entry
	n              int
	bytes          int64 // of all entries
}

func (l *lru) push(e *entry) {
	e.newer, e.older = nil, l.newest
	if l.newest != nil {
		l.newest.newer = e
	} else {
		l.oldest = e
	}
	l.newest = e
	l.n++
	l.bytes += e.bytes
}

func (l *lru) remove(e *entry) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		l.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		l.oldest = e.newer
	}
	e.newer, e.older = nil, nil
	l.n--
	l.bytes -= e.bytes
}

func (l *lru) use(e *entry) {
	if l.newest != e {
		l.remove(e)
		l.push(e)
	}
}

// shrink forgets the entries that were used longest ago, beyond what all may take.
// What is not in the store yet stays, for as long as its server is away.
func (l *lru) shrink(bytes int64) {
	for kept := 0; l.bytes > bytes && kept < min(l.n, 1024); {
		e := l.oldest
		if e.dirty || e.flying || e.state == nil {
			l.use(e)
			kept++
			continue
		}
		l.remove(e)
		delete(e.unit.entries, e.key)
		e.unit.complete = false
	}
}
