package stream

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/fqgw/fqgw"
)

// batch is a run of accepted events, read by every folder and the lander and
// written by nobody once it is sent.
type batch struct {
	events []fqgw.Event
	spans  []span
	routes [][]route // by folder
	polled time.Time
	whole  bool     // from history: in any order, and no event twice
	passed []passed // of each event, for a deriver

	bytes   int64 // that purse has paid
	purse   *purse
	pending atomic.Int32 // folders, and a lander, that still need it
}

// done says that a folder or lander needs the batch no longer.
func (b *batch) done() {
	if b.pending.Add(-1) == 0 {
		b.purse.give(b.bytes)
	}
}

// span is what a batch covers of one partition: everything in [from, next) was
// consumed, and either is among the events or was refused.
type span struct {
	partition  int32
	from, next int64
	stamp      int64 // of the last record
	landable   int   // changes
	first      int64 // known time of the first event
	least      int64 // and the least one
	last       int64 // and the last one
	newest     int64 // greatest event time
}

// add counts an accepted change.
func (s *span) add(ev *fqgw.Event) {
	if s.landable++; s.landable == 1 {
		s.first, s.least, s.newest = ev.Known, ev.Known, ev.Time
	}
	s.least, s.last, s.newest = min(s.least, ev.Known), ev.Known, max(s.newest, ev.Time)
}

// route sends an event to the entity that it belongs to.
type route struct {
	event int32
	set   int32 // of key columns
	shard uint32
	key   fqgw.EntityKey
}

// sameRecord says whether two changes come from one record.
func sameRecord(p, q fqgw.Position) bool {
	p.Sub = q.Sub
	return p == q
}

// router finds the entities of events. Not safe for concurrent use.
type router struct {
	shards  uint32
	folders int
	keys    []*view        // one view of each set of key columns
	hand    *fqgw.Position // of the event at hand
}

func newRouter(shards uint32, folders int, views []*view) *router {
	r := &router{shards: shards, folders: folders}
	for _, v := range views {
		if !slices.ContainsFunc(r.keys, func(k *view) bool { return k.set == v.set }) {
			r.keys = append(r.keys, v)
		}
	}
	return r
}

// bytes is about what an event of a batch takes, with its routes.
func (r *router) bytes(ev *fqgw.Event) int64 {
	return eventBytes + int64(len(r.keys))*routeBytes + fqgw.RowBytes(ev.Row)
}

// route adds the routes of every event; null is told of each key that is NULL.
func (r *router) route(b *batch, null func(ev *fqgw.Event)) {
	b.routes = make([][]route, r.folders)
	for f := range b.routes {
		b.routes[f] = make([]route, 0, len(b.events)*len(r.keys)/r.folders+8)
	}
	for i := range b.events {
		r.hand = &b.events[i].Pos
		for _, v := range r.keys {
			key, ok := v.layout.Key(b.events[i].Row)
			if !ok {
				null(&b.events[i])
				continue
			}
			shard := key.Shard(r.shards)
			f := int(shard) % r.folders
			b.routes[f] = append(b.routes[f], route{int32(i), int32(v.set), shard, key})
		}
	}
	r.hand = nil
}

// msg is what folders and landers take: a batch, or something to do behind all
// batches that were sent before.
type msg[T any] struct {
	batch *batch
	do    func(T)
}
