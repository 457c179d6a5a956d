package exec

import (
	"sync/atomic"

	"github.com/fqgw/fqgw"
)

// tally counts statuses of feature values, by fqgw.Status.
type tally [fqgw.StatusTimeout + 1]uint64

// notFound counts the features of a key without a row.
func (t *tally) notFound(outs []fqgw.Output) {
	for i := range outs {
		if outs[i].Kind == fqgw.OutFeature {
			t[fqgw.StatusNotFound]++
		}
	}
}

// served counts the statuses of the features that were asked for: online, and as
// of a time.
type served [2][fqgw.StatusTimeout + 1]atomic.Uint64

// add adds a batch's.
func (s *served) add(then bool, t *tally) {
	to := &s[0]
	if then {
		to = &s[1]
	}
	for status, n := range t {
		if n > 0 {
			to[status].Add(n)
		}
	}
}

// Served is how many feature values of a status were given, read online or, with
// then, as of a time. A feature of a key without a row counts as not_found.
func (e *Engine) Served(then bool, status fqgw.Status) uint64 {
	if then {
		return e.served[1][status].Load()
	}
	return e.served[0][status].Load()
}

// joined counts the rows of spines that were joined AS OF their times: by columns, and
// row by row.
type joined [2]atomic.Uint64

// Joined is how many rows of spines were joined AS OF their times, by columns or row
// by row.
func (e *Engine) Joined(byColumns bool) uint64 {
	if byColumns {
		return e.joined[1].Load()
	}
	return e.joined[0].Load()
}
