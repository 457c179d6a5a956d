package stream

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
)

// stats is what is known of a source's partitions, for people and metrics.
type stats struct {
	mu       sync.Mutex
	epoch    int32
	parts    []partStats
	folded   [][]int64 // by folder and partition: offsets below are readable
	troubles map[string]string
	log      *slog.Logger
	gaps     []string
	ancient  int64 // of the first records, those with an event time far from the clock
	future   int64
	first    int64 // records among which ancient and future were counted
}

type partStats struct {
	next      int64 // offset after the last record consumed
	high      int64 // the highest that next ever was: counts are kept once
	landed    int64
	end       int64
	eventTime int64
	known     int64
	fresh     int64
	records   int64
	rejected  int64
	nullKeys  int64
	evalErrs  int64
	pause     *pause
}

func newStats(partitions int, epoch int32, folders int, log *slog.Logger) *stats {
	s := &stats{log: log, folded: make([][]int64, folders), troubles: map[string]string{}}
	s.resize(partitions, epoch)
	return s
}

// resize makes place for other partitions, or those of another incarnation.
func (s *stats) resize(partitions int, epoch int32) {
	old := s.parts
	s.parts = make([]partStats, partitions)
	for p := range s.parts {
		s.parts[p].eventTime = math.MinInt64
		if p < len(old) {
			s.parts[p] = old[p]
		}
		if epoch != s.epoch { // offsets begin anew, counts go on
			s.parts[p].next, s.parts[p].high, s.parts[p].landed, s.parts[p].end = 0, 0, 0, 0
		}
	}
	for f := range s.folded {
		s.folded[f] = make([]int64, partitions)
	}
	s.epoch = epoch
}

// begin resets what a new session starts from.
func (s *stats) begin(from []int64, landed fqgw.Marks, epoch int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.troubles) // every store has answered
	s.resize(len(from), epoch)
	for p := range s.parts {
		s.parts[p].next, s.parts[p].landed, s.parts[p].pause = from[p], offsetIn(landed.Of(int32(p)), epoch), nil
	}
	for _, f := range s.folded {
		copy(f, from)
	}
}

// trouble says what hinders the source; "" that a kind of trouble is over.
func (s *stats) trouble(kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.troubles[kind]
	switch {
	case text != "":
		s.troubles[kind] = text
		if old == "" && kind != "restarting" { // that has its own line
			s.log.Warn("the stream is hindered", "by", kind, "error", text)
		}
	case old != "":
		delete(s.troubles, kind)
		if kind != "restarting" {
			s.log.Info("the stream is no longer hindered", "by", kind)
		}
	}
}

// why is what hinders the source in one way, "" for nothing.
func (s *stats) why(kind string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.troubles[kind]
}

func (s *stats) lost(p int32, from, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	msg := fmt.Sprintf("partition %d: the broker no longer has offsets %d to %d, and they were never landed", p, from, to-1)
	if !slices.Contains(s.gaps, msg) {
		s.gaps = append(s.gaps, msg)
	}
}

// unseen says whether a record is consumed for the first time in this process.
func (s *stats) unseen(p int32, offset int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return offset >= s.parts[p].high
}

func (s *stats) refused(p int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[p].rejected++
}

func (s *stats) nullKey(p int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[p].nullKeys++
}

func (s *stats) evalErrors(p int32, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(p) < len(s.parts) { // a view that is being filled may be of the session before
		s.parts[p].evalErrs += int64(n)
	}
}

func (s *stats) pause(p int32, why *pause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[p].pause = why
}

const (
	tenYears = 10 * 365 * 86_400_000_000
	early    = 1000 // records of a source whose event times are looked at
)

func (s *stats) seen(spans []span, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range spans {
		sp, p := &spans[i], &s.parts[spans[i].partition]
		p.next = sp.next
		if sp.next <= p.high {
			continue
		}
		p.records += sp.next - max(sp.from, p.high)
		p.high = sp.next
		if sp.landable == 0 {
			continue
		}
		p.eventTime, p.known = max(p.eventTime, sp.newest), sp.last
		if s.first < early {
			s.first += int64(sp.landable)
			if sp.newest < now-tenYears {
				s.ancient += int64(sp.landable)
			} else if sp.newest > now+tenYears {
				s.future += int64(sp.landable)
			}
		}
	}
}

func (s *stats) readable(folder int, progress []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	copy(s.folded[folder], progress)
}

func (s *stats) landed(to fqgw.Marks, epoch int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.parts {
		s.parts[p].landed = max(s.parts[p].landed, offsetIn(to.Of(int32(p)), epoch))
	}
}

// fresh notes how long the last records of a flush took. On a set clock the
// records' own timestamps say nothing: then it is the time since they were polled.
func (s *stats) fresh(st stamps, clock *fqgw.Clock) {
	_, set := clock.IsSet()
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, t := range st.stamp {
		if s.parts[p].fresh = time.Since(st.polled).Microseconds(); !set {
			s.parts[p].fresh = max(clock.Now()-t, 0)
		}
	}
}

func (s *stats) positions() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]int64, len(s.parts))
	for p := range out {
		out[p] = s.parts[p].next
	}
	return out
}

// stands says which partition, if any, stands before its end for another reason than
// the clock, and why.
func (s *source) stands(end []int64) string {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	for i := range min(len(end), len(s.stats.parts)) {
		if p := s.stats.parts[i].pause; p != nil && !p.waits() && p.offset < end[i] {
			return fmt.Sprintf("partition %d of source %q stands at offset %d, and what comes is not seen: %s", i, s.src().Name, p.offset, p.text(s.p.budget.ahead.Limit()))
		}
	}
	return ""
}

// Status is what is known of every partition of every source; those whose rows others
// write are behind the others.
func (p *Pipeline) Status() []fqgw.StreamStatus {
	sources := p.all()
	ends := make([][]int64, len(sources))
	ctx, cancel := context.WithTimeout(p.hard, 500*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for i, s := range sources {
		wg.Go(func() {
			_ = guarded(func() (err error) {
				_, ends[i], err = s.log.Offsets(ctx, s.src().Topic)
				return err
			})
		})
	}
	wg.Wait()
	var out []fqgw.StreamStatus
	byName := map[string][]int64{}
	for i, s := range sources {
		byName[s.src().Qualified().String()] = ends[i]
	}
	for i, s := range sources {
		list := s.stats.status(s, ends[i])
		if s.deriver != nil {
			s.deriver.behind(list, byName[s.src().Derived.Origin.Qualified().String()])
		}
		out = append(out, list...)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(p.tables)) {
		out = append(out, p.tables[name].status())
	}
	return out
}

// text is what hinders the source, "" for nothing.
func (s *stats) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(s.troubles)) {
		out = append(out, kind+": "+s.troubles[kind])
	}
	return strings.Join(out, "; ")
}

func (s *stats) status(src *source, end []int64) []fqgw.StreamStatus {
	trouble := s.text()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]fqgw.StreamStatus, len(s.parts))
	for i := range s.parts {
		p := &s.parts[i]
		if i < len(end) {
			p.end = end[i]
		}
		p.end = max(p.end, p.next)
		st := fqgw.StreamStatus{Source: src.src().Qualified().String(), Partition: int32(i), Epoch: s.epoch, Applied: math.MaxInt64, Landed: p.landed, End: p.end,
			KnownTime: p.known, Freshness: p.fresh, Rejected: p.rejected, NullKeys: p.nullKeys, EvalErrors: p.evalErrs}
		if p.eventTime != math.MinInt64 {
			st.EventTime = p.eventTime
		}
		for _, f := range s.folded {
			st.Applied = min(st.Applied, f[i])
		}
		switch {
		case trouble != "":
			st.Paused = trouble
		case p.pause != nil:
			st.Paused = p.pause.text(src.p.budget.ahead.Limit())
		}
		out[i] = st
	}
	return out
}

// TopicNotice is what the maker of a source ought to know about a topic that was
// there before, "" for nothing.
func (p *Pipeline) TopicNotice(source string) string {
	s, err := p.source(source)
	if err != nil || s.made || !s.at.Load().CreateTime || s.src().Known != fqgw.KnownByRecord {
		return ""
	}
	return fmt.Sprintf("the timestamps of topic %q are the producers' (CreateTime): a record can claim to have been known too early", s.src().Topic)
}

// Notices are what the user of a source ought to know, as sentences.
func (p *Pipeline) Notices(source string) []string {
	if t := p.table(source); t != nil {
		if text := t.notice(); text != "" {
			return []string{text}
		}
		return nil
	}
	s, err := p.source(source)
	if err != nil {
		return nil
	}
	var out []string
	now := p.o.Clock.Now()
	st := s.stats
	st.mu.Lock()
	defer st.mu.Unlock()
	var records, rejected int64
	newest := int64(math.MinInt64)
	for i := range st.parts {
		records += st.parts[i].records
		rejected += st.parts[i].rejected
		newest = max(newest, st.parts[i].eventTime)
	}
	if rejected >= 10 && rejected*10 >= records*9 {
		out = append(out, fmt.Sprintf("%d of %d records of source %q were rejected: see fqgw.dead_letters (time_unit? max_future?)", rejected, records, source))
	}
	switch {
	case st.first > 0 && st.ancient*10 >= st.first*9, st.first > 0 && st.future*10 >= st.first*9:
		out = append(out, fmt.Sprintf("the event times of source %q are more than ten years away from the clock: check time_unit, or use AS OF or --clock", source))
	case newest != math.MinInt64 && newest < now-30*86_400_000_000:
		out = append(out, fmt.Sprintf("the newest event of source %q is of %s: use AS OF or --clock to see windows around it", source, fqgw.TimeText(newest)))
	}
	return append(out, st.gaps...)
}
