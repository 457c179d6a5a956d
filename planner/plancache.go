package planner

import (
	"container/list"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fqgw/fqgw"
)

// planCacheBytes is the room for all that the sessions' statements become.
const planCacheBytes = 32 << 20

// planCache keeps what query strings become, for all sessions: the trees of their
// statements, which depend on nothing else, and what these were bound to in the
// newest catalog. What was used longest ago goes when there is no room. Safe for
// concurrent use; what it gives is shared and must not be changed.
type planCache struct {
	limit int64
	hits  atomic.Uint64 // statements that were there, bound
	binds atomic.Uint64 // statements that were bound

	mu      sync.Mutex
	strings map[string]*list.Element // of *queryString
	recent  list.List                // of *queryString, the one used last first
	bytes   int64
	catalog *fqgw.Catalog // to which everything is bound
}

// queryString is a query string that the cache has. The cache's lock guards it.
type queryString struct {
	sql   string
	texts []*Text
	bytes int64
}

// variants is how many bindings of one text are kept: its parameters may have other
// types, and sessions other settings.
const variants = 8

// reading is what the binding of a text depends on beside the catalog.
type reading struct {
	plain  bool   // without parameters, as in a query string
	role   string // the session's user
	search string // search_path
	asOf   string // fqgw.as_of
	zone   string // TimeZone
	style  fqgw.Style
}

func newPlanCache(limit int64) *planCache {
	return &planCache{limit: limit, strings: map[string]*list.Element{}}
}

// split gives the statements of a query string, nil when they are not there.
func (c *planCache) split(sql string) []*Text {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.strings[sql]
	if e == nil {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*queryString).texts
}

// keep takes the statements of a query string.
func (c *planCache) keep(sql string, texts []*Text) {
	q := &queryString{sql: sql, texts: texts}
	for _, t := range texts {
		q.bytes += t.bytes
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(texts) == 0 || q.bytes > c.limit/16 || c.strings[sql] != nil {
		return
	}
	for _, t := range texts {
		t.home = q
	}
	c.strings[sql] = c.recent.PushFront(q)
	c.bytes += q.bytes
	c.shrink()
}

// shrink lets go of what was used longest ago until there is room.
func (c *planCache) shrink() {
	for c.bytes > c.limit {
		last := c.recent.Back()
		q := c.recent.Remove(last).(*queryString)
		delete(c.strings, q.sql)
		c.bytes -= q.bytes
		for _, t := range q.texts {
			t.home, t.bound = nil, nil
		}
	}
}

// find gives what a text is bound to in the catalog; nil when it is not there, or
// is not what the session would bind it to: hides says that a temporary table of it
// has that name.
func (c *planCache) find(t *Text, cat *fqgw.Catalog, r *reading, types []uint32, hides func(name string) bool) *binding {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.catalog != cat {
		return nil
	}
	for _, b := range t.bound {
		if b.reading == *r && slices.Equal(b.types, types) {
			if slices.ContainsFunc(b.asked, hides) {
				return nil
			}
			c.hits.Add(1)
			return b
		}
	}
	return nil
}

// add takes what a text was bound to in the newest catalog. What is bound to
// another one goes.
func (c *planCache) add(t *Text, b *binding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.catalog != b.catalog {
		for e := c.recent.Front(); e != nil; e = e.Next() {
			q := e.Value.(*queryString)
			for _, t := range q.texts {
				c.grow(q, -int64(len(t.bound))*bindingBytes(t))
				t.bound = nil
			}
		}
		c.catalog = b.catalog
	}
	if t.home == nil {
		return // let go of meanwhile
	}
	t.bound = slices.DeleteFunc(t.bound, func(o *binding) bool {
		same := o.reading == b.reading && slices.Equal(o.types, b.types)
		if same {
			c.grow(t.home, -bindingBytes(t))
		}
		return same
	})
	if len(t.bound) == variants {
		t.bound = slices.Delete(t.bound, 0, 1)
		c.grow(t.home, -bindingBytes(t))
	}
	t.bound = append(t.bound, b)
	c.grow(t.home, bindingBytes(t))
	c.shrink()
}

func (c *planCache) grow(q *queryString, n int64) {
	q.bytes += n
	c.bytes += n
}

// bindingBytes is about what the plan of a text takes, with what it is compiled to
// when it is first run: as much as its trees (TestPlanCacheBytes).
func bindingBytes(t *Text) int64 { return t.bytes }

// CacheStats is what the plan cache did and has.
type CacheStats struct {
	Hits, Binds uint64 // statements whose plan was there; that were bound
	Bytes       int64  // about what it takes
}

// CacheStats says what the plan cache did and has.
func (p *Planner) CacheStats() CacheStats {
	c := p.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{Hits: c.hits.Load(), Binds: c.binds.Load(), Bytes: c.bytes}
}
