package exec

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/fqgw/fqgw"
)

// Nobody shall be left with silent NULLs (INTERFACE, Sources): where a read finds
// nothing at all, it says what may be the reason.

func notify(env *fqgw.Env, message, hint string) {
	if s, ok := env.Session.(Session); ok {
		s.Notify(message, hint)
	}
}

func (e *Engine) noticeFuture(env *fqgw.Env, t int64) {
	if t > env.Now {
		notify(env, "the AS OF time is after now: events that arrive later can change the answer", "")
	}
}

// noticeNothing says, after an online read that found no entity, what is odd
// about the view's source.
func (e *Engine) noticeNothing(env *fqgw.Env, v *fqgw.FeatureView) {
	for _, msg := range e.o.Streams.Notices(v.Source.Qualified().String()) {
		notify(env, msg, "")
	}
}

// unknown counts the events of a history that had happened at a time and were
// known only later.
type unknown struct {
	by     int64 // events known later are counted
	events int64
	first  int64 // the least of their known times
}

// watch counts in the records that pass.
func (u *unknown) watch(in fqgw.Records) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		u.events, u.first = 0, math.MaxInt64 // it may be read again
		for b, err := range in {
			if err == nil {
				u.count(b)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// runs counts in runs, of the rows with an event time from from to to.
func (u *unknown) runs(in []fqgw.Run, from, to int64) {
	for _, r := range in {
		for g := range (r.Entities().NumRows() + fqgw.RunGroup - 1) / fqgw.RunGroup {
			times := r.Times(g)
			known := r.Known(g)
			if known == nil {
				known = times
			}
			for i, k := range known {
				if k > u.by && times[i] >= from && times[i] <= to {
					u.events, u.first = u.events+1, min(u.first, k)
				}
			}
		}
	}
}

func (u *unknown) count(b arrow.RecordBatch) {
	at := b.Schema().FieldIndices(fqgw.ColKnownAt)
	if len(at) == 0 {
		return
	}
	known, ok := b.Column(at[0]).(*array.Timestamp)
	if !ok || known.DataType().(*arrow.TimestampType).Unit != arrow.Microsecond {
		return
	}
	for i, k := range known.TimestampValues() {
		if k := int64(k); k > u.by && known.IsValid(i) {
			u.events, u.first = u.events+1, min(u.first, k)
		}
	}
}

// notice tells of them, after a read that found nothing.
func (u *unknown) notice(env *fqgw.Env, v *fqgw.FeatureView) {
	if u.events == 0 {
		return
	}
	notify(env, fmt.Sprintf("nothing of \"%s\" was known at the time asked for: %d events of source \"%s\" had happened by then, but the first of them was known at %s only",
		v.Name, u.events, v.Source.Name, fqgw.TimeText(u.first)),
		"KNOWN AT now() uses what is known today. For a topic that replays a past: CREATE SOURCE … WITH (known_time = 'event_time'), or set _fq_known_at when inserting.")
}
