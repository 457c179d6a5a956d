package exec

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// entitiesMax caps a read of all entities now (DESIGN, Online state in Redis).
const entitiesMax = 100_000

// probe is one question: an entity at a time. ok is false when a join key or
// the time is NULL, for which there is no entity.
type probe struct {
	parts []fqgw.Value
	key   fqgw.EntityKey
	t, k  int64
	ok    bool
	timed bool // the time is not NULL
	alien bool // a value that no key equals: no entity has it

	from, to int // of the key in room.keyBytes, until it is made
}

// ask adds a probe for the entity of the parts that were put last into room.parts.
func (r *looked) ask(parts []fqgw.Value, t, k int64, ok bool) {
	p := probe{parts: parts, t: t, k: k, timed: ok, from: len(r.keyBytes)}
	var key bool
	if r.keyBytes, key = fqgw.AppendKeyBytes(r.keyBytes, parts); !key {
		r.keyBytes = r.keyBytes[:p.from]
	}
	p.to, p.ok = len(r.keyBytes), ok && key
	for i := range parts {
		if !parts[i].IsNull() && parts[i].Kind() != r.types[i].Kind() {
			p.alien, parts[i] = true, fqgw.Null
		}
	}
	r.probes = append(r.probes, p)
}

// makeKeys makes the keys of the probes.
func (r *looked) makeKeys() {
	all := string(r.keyBytes)
	for i := range r.probes {
		p := &r.probes[i]
		p.key = fqgw.EntityKey(all[p.from:p.to])
	}
	r.keyBytes = r.keyBytes[:0]
}

// tuple are the n places for the parts of the next probe.
func (r *room) tuple(n int) []fqgw.Value {
	at := len(r.parts)
	if cap(r.parts)-at < n || r.parts == nil {
		r.parts, at = make([]fqgw.Value, 0, max(8, 2*cap(r.parts), n)), 0
	}
	r.parts = r.parts[:at+n]
	return r.parts[at : at+n : at+n]
}

// askRow adds the probe of a row of the spine. Of several entities that equal one
// value it is the first: plan.Entities gives each its row.
func (r *looked) askRow(row []fqgw.Value) error {
	parts := r.tuple(len(r.types))
	for i, x := range r.tuples[0] {
		var err error
		if parts[i], _, err = keysOver(r.env, x, r.types[i], row); err != nil {
			return err
		}
	}
	t, k, ok, err := r.times(row)
	if err == nil {
		r.ask(parts, t, k, ok)
	}
	return err
}

// times are T and K for a row of the spine; ok is false when one is NULL.
func (r *looked) times(row []fqgw.Value) (t, k int64, ok bool, err error) {
	if r.at == nil {
		return r.env.Now, r.env.Now, true, nil
	}
	if t, ok, err = timeOver(r.env, r.at, row); err != nil || !ok || r.known == nil {
		return t, t, ok, err
	}
	k, ok, err = timeOver(r.env, r.known, row)
	return t, k, ok, err
}

func timeOver(env *fqgw.Env, x fqgw.Expr, row []fqgw.Value) (int64, bool, error) {
	v, err := x.Eval(env, row)
	if err != nil || v.IsNull() {
		return 0, false, err
	}
	v, err = expr.Coerce(v, x.Type(), fqgw.Timestamptz, env)
	return v.Int(), err == nil, err
}

// askKeys adds the entities that a scan's keys name, each once; NULLs name none.
func (r *looked) askKeys() error {
	t, k, ok, err := r.times(nil)
	if err != nil || !ok {
		return err
	}
	one := func(v fqgw.Value) error {
		parts := r.tuple(1)
		parts[0] = v
		r.ask(parts, t, k, true)
		return r.count()
	}
	each := func(first fqgw.Value, others []fqgw.Value) error {
		err := one(first)
		for i := 0; i < len(others) && err == nil; i++ {
			err = one(others[i])
		}
		return err
	}
	for _, keys := range r.tuples {
		if len(keys) == 1 {
			first, others, err := keysOver(r.env, keys[0], r.types[0], nil)
			if err == nil {
				err = each(first, others)
			}
			if err != nil {
				return err
			}
			continue
		}
		tuples, err := tuplesOver(r.env, keys, r.types, nil)
		if err != nil {
			return err
		}
		for _, tuple := range tuples {
			if tuple == nil {
				tuple = []fqgw.Value{}
			}
			r.ask(tuple, t, k, true)
			if err := r.count(); err != nil {
				return err
			}
		}
	}
	if r.array != nil {
		arr, err := r.array.Eval(r.env, nil)
		if err != nil {
			return err
		}
		if !arr.IsNull() {
			elem := r.array.Type().Elem()
			for _, item := range arr.List().Items {
				if err := each(keysEqual(r.env, item, elem, r.types[0])); err != nil {
					return err
				}
			}
		}
	}
	r.makeKeys()
	r.distinct()
	return nil
}

// count counts the probe that was added last.
func (r *looked) count() error {
	p := &r.probes[len(r.probes)-1]
	n := 256 + fqgw.RowBytes(p.parts) + int64(p.to-p.from)
	err := r.limit.memory.Take(n)
	if err == nil {
		r.counted += n
	}
	return err
}

// distinct drops the probes that name nobody, and those that were there before.
func (r *looked) distinct() {
	var seen map[fqgw.EntityKey]struct{}
	const few = 8
	if len(r.probes) > few {
		seen = make(map[fqgw.EntityKey]struct{}, len(r.probes))
	}
	before := func(out []probe, key fqgw.EntityKey) bool {
		if seen != nil {
			n := len(seen)
			seen[key] = struct{}{}
			return len(seen) == n
		}
		for i := range out {
			if out[i].key == key {
				return true
			}
		}
		return false
	}
	out := r.probes[:0]
	for _, p := range r.probes {
		if p.ok && !p.alien && !before(out, p.key) {
			out = append(out, p)
		}
	}
	r.probes = out
}

// askEntities adds every entity of a view that the online store has, up to a cap.
func (r *looked) askEntities() error {
	v := r.view
	for key, err := range r.e.o.Online.Entities(r.env.Ctx, v.State, entitiesMax) {
		if err != nil && fqgw.AsError(err).Code == fqgw.CodeLimitExceeded {
			return fqgw.Errorf(fqgw.CodeLimitExceeded, "feature view \"%s\" has more than %d entities online", v.Name, entitiesMax).
				WithHint("Name the entities (WHERE key = …), or read all of them from history: %s AS OF now().", v.Name)
		}
		if err != nil {
			return err
		}
		parts, err := fqgw.DecodeKey(key)
		if err != nil {
			return err
		}
		r.probes = append(r.probes, probe{parts: parts, key: key, t: r.env.Now, k: r.env.Now, ok: true, to: len(key)})
		if err := r.count(); err != nil {
			return err
		}
	}
	return r.e.whole(r.env.Ctx, v)
}
