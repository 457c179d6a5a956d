package exec

import (
	"context"
	"errors"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/stream/window"
)

// batchRows is how many rows of a spine are looked up in one trip.
const batchRows = 1024

// entitiesMax caps a read of all entities now (DESIGN, Online state in Redis).
const entitiesMax = 100_000

// probe is one question: an entity at a time. ok is false when a join key or
// the time is NULL, for which there is no entity.
type probe struct {
	parts []fqgw.Value
	key   fqgw.EntityKey
	t, k  int64
	ok    bool
	alien bool // a value that no key equals: no entity has it
}

// answer is what a view says to a probe; timeout: the online store did not
// answer within the deadline.
type answer struct {
	reading window.Reading
	timeout bool
}

// shown says whether the view has a row for the probe, or one of defaults stands
// in for what is not known.
func (p *probe) shown(a *answer) bool { return p.ok && (a.reading.Exists || a.timeout && !p.alien) }

// asker answers probes, one answer each, in order.
type asker func(env *fqgw.Env, l *window.Layout, probes []probe) ([]answer, error)

// featureJoin joins a view onto its input, now or as of a time per row.
func (e *Engine) featureJoin(env *fqgw.Env, n *plan.FeatureJoin) (fqgw.Rows, error) {
	l, err := e.layout(n.View)
	if err != nil {
		return nil, err
	}
	c, ask := chunkOf(env, n.View, len(n.Input.Columns())+len(n.Outputs)), asker(e.readOnline)
	if n.At != nil {
		c.rows, ask, l = spineRows, e.readHistory, shown(l, n.View, n.Outputs)
	} else if err := e.readable(n.View); err != nil {
		return nil, err
	}
	input, err := e.Run(env, n.Input)
	if err != nil {
		return nil, err
	}
	return batched(input, c, func(in [][]fqgw.Value) ([][]fqgw.Value, error) {
		probes := make([]probe, len(in))
		for i, row := range in {
			if probes[i], err = newProbe(env, n.View, n.Keys, n.At, n.Known, row); err != nil {
				return nil, err
			}
		}
		answers, err := ask(env, l, probes)
		if err != nil {
			return nil, err
		}
		out := make([][]fqgw.Value, 0, len(in))
		var t tally
		defer e.served.add(n.At != nil, &t)
		for i, row := range in {
			joined, keep, err := joinRow(env, n, row, &probes[i], &answers[i], &t)
			if err != nil {
				return nil, err
			}
			if keep {
				out = append(out, joined)
			}
		}
		return out, nil
	}), nil
}

// chunkOf is how many probes of a view are asked in one trip, when each row that
// is made of an answer has so many columns.
func chunkOf(env *fqgw.Env, v *fqgw.FeatureView, width int) chunk {
	const probe, slot, value = 400, 64, 48
	slots := max(len(v.Aggregates), len(v.Row))
	return chunk{rows: batchRows, each: probe + int64(slot*slots+value*(len(v.Features)+width)), memory: env.Memory}
}

// newProbe evaluates the join keys and times over a row of the spine. Of several
// entities that equal one value it is the first: plan.Entities gives each its row.
func newProbe(env *fqgw.Env, v *fqgw.FeatureView, keys []fqgw.Expr, at, known fqgw.Expr, row []fqgw.Value) (probe, error) {
	parts := make([]fqgw.Value, len(keys))
	for i, x := range keys {
		var err error
		if parts[i], _, err = keysOver(env, x, v.Keys[i].Type, row); err != nil {
			return probe{}, err
		}
	}
	return probeOf(env, v, parts, at, known, row)
}

// probeOf is the probe for an entity.
func probeOf(env *fqgw.Env, v *fqgw.FeatureView, parts []fqgw.Value, at, known fqgw.Expr, row []fqgw.Value) (probe, error) {
	p := probe{parts: parts, t: env.Now, k: env.Now}
	p.key, p.ok = fqgw.EncodeKey(parts...)
	for i := range parts {
		if !parts[i].IsNull() && parts[i].Kind() != v.Keys[i].Type.Kind() {
			p.alien, parts[i] = true, fqgw.Null
		}
	}
	if at == nil {
		return p, nil
	}
	t, ok, err := timeOver(env, at, row)
	if err != nil {
		return p, err
	}
	p.t, p.k, p.ok = t, t, p.ok && ok
	if known != nil {
		if p.k, ok, err = timeOver(env, known, row); err != nil {
			return p, err
		}
		p.ok = p.ok && ok
	}
	return p, nil
}

func timeOver(env *fqgw.Env, x fqgw.Expr, row []fqgw.Value) (int64, bool, error) {
	v, err := x.Eval(env, row)
	if err != nil || v.IsNull() {
		return 0, false, err
	}
	v, err = expr.Coerce(v, x.Type(), fqgw.Timestamptz, env)
	return v.Int(), err == nil, err
}

// joinRow is one output row; keep is false when an inner join drops it.
func joinRow(env *fqgw.Env, n *plan.FeatureJoin, row []fqgw.Value, p *probe, a *answer, t *tally) (joined []fqgw.Value, keep bool, err error) {
	width := len(row)
	joined = append(make([]fqgw.Value, 0, width+len(n.Outputs)), row...)
	if !n.Left && !p.shown(a) {
		t.notFound(n.Outputs)
		return nil, false, nil
	}
	if joined, err = appendOutputs(joined, n.View, n.Outputs, p, a, t); err != nil {
		return nil, false, err
	}
	if n.On == nil {
		return joined, true, nil
	}
	// A row that a further ON condition rejects is NULL without defaults (SEMANTICS §4.2).
	ok, err := n.On.Eval(env, joined)
	if err != nil {
		return nil, false, err
	}
	if ok.True() {
		return joined, true, nil
	}
	if !n.Left {
		return nil, false, nil
	}
	for i := range n.Outputs {
		joined[width+i] = fqgw.Null
		if n.Outputs[i].Kind == plan.OutStatus {
			joined[width+i] = fqgw.TextValue(fqgw.StatusNotFound.String())
		}
	}
	return joined, true, nil
}

// definitionEnv is what read expressions see: a definition means UTC and no
// session, whoever reads it (SEMANTICS §2.4).
var definitionEnv fqgw.Env

// appendOutputs appends what a view shows of one entity.
func appendOutputs(dst []fqgw.Value, v *fqgw.FeatureView, outs []plan.Output, p *probe, a *answer, t *tally) ([]fqgw.Value, error) {
	feats := featureValues(v, p, a)
	for _, o := range outs {
		var val fqgw.Value
		switch o.Kind {
		case plan.OutKey:
			if p.shown(a) {
				val = p.parts[o.Index]
			}
		case plan.OutFeature:
			val = feats[o.Index].Value
			t[feats[o.Index].Status]++
		case plan.OutStatus:
			val = fqgw.TextValue(feats[o.Index].Status.String())
		case plan.OutTime:
			if t := feats[o.Index].Time; t != window.NoTime {
				val = fqgw.TimestampValue(t)
			}
		default:
			return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "feature_token() is not supported yet")
		}
		dst = append(dst, val)
	}
	return dst, nil
}

// featureValues are what a view says to a probe. Past the deadline it is not known
// whether there is a row: the defaults stand in, and the status is timeout.
func featureValues(v *fqgw.FeatureView, p *probe, a *answer) []window.FeatureValue {
	if !a.timeout {
		var key []fqgw.Value
		if p.ok {
			key = p.parts
		}
		return window.Features(v, key, &a.reading, &definitionEnv)
	}
	out := make([]window.FeatureValue, len(v.Features))
	for i := range out {
		out[i] = window.FeatureValue{Value: v.Features[i].Default, Status: fqgw.StatusTimeout, Cause: fqgw.StatusTimeout, Time: window.NoTime}
	}
	return out
}

// featureScan reads a view as a relation: the rows of SEMANTICS §4.1.
func (e *Engine) featureScan(env *fqgw.Env, n *plan.FeatureScan) (fqgw.Rows, error) {
	l, err := e.layout(n.View)
	if err != nil {
		return nil, err
	}
	ask := asker(e.readOnline)
	if n.At != nil {
		ask, l = e.readHistory, shown(l, n.View, n.Outputs)
	} else if err := e.readable(n.View); err != nil {
		return nil, err
	}
	if n.Keys == nil && n.KeyArray == nil {
		if n.At != nil {
			return e.allThen(env, n, l)
		}
		return e.allNow(env, n, l)
	}
	probes, err := scanProbes(env, n)
	if err != nil {
		return nil, err
	}
	return batched(indexes(len(probes)), chunkOf(env, n.View, len(n.Outputs)), func(in [][]fqgw.Value) ([][]fqgw.Value, error) {
		some := probes[in[0][0].Int() : in[0][0].Int()+int64(len(in))]
		answers, err := ask(env, l, some)
		if err != nil {
			return nil, err
		}
		return e.scanRows(n, some, answers)
	}), nil
}

// scanProbes are the entities that a scan's keys name, each once; NULLs name none.
func scanProbes(env *fqgw.Env, n *plan.FeatureScan) ([]probe, error) {
	seen := map[fqgw.EntityKey]bool{}
	types := keyTypes(n.View)
	var out []probe
	add := func(keys []fqgw.Expr) error {
		tuples, err := tuplesOver(env, keys, types, nil)
		if err != nil {
			return err
		}
		for _, t := range tuples {
			p, err := probeOf(env, n.View, t, n.At, n.Known, nil)
			if err != nil {
				return err
			}
			if p.ok && !p.alien && !seen[p.key] {
				seen[p.key] = true
				out = append(out, p)
				if err := env.Memory.Take(probeBytes(&p)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, keys := range n.Keys {
		if err := add(keys); err != nil {
			return nil, err
		}
	}
	if n.KeyArray == nil {
		return out, nil
	}
	arr, err := n.KeyArray.Eval(env, nil)
	if err != nil || arr.IsNull() {
		return nil, err
	}
	elem := n.KeyArray.Type().Elem()
	for _, item := range arr.List().Items {
		if err := add([]fqgw.Expr{&expr.Const{Val: item, Typ: elem}}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func keyTypes(v *fqgw.FeatureView) []fqgw.Type {
	out := make([]fqgw.Type, len(v.Keys))
	for i, k := range v.Keys {
		out[i] = k.Type
	}
	return out
}

// probeBytes is about what a probe takes with its place among those that were seen.
func probeBytes(p *probe) int64 { return 256 + fqgw.RowBytes(p.parts) + int64(len(p.key)) }

func (e *Engine) scanRows(n *plan.FeatureScan, probes []probe, answers []answer) ([][]fqgw.Value, error) {
	var out [][]fqgw.Value
	var t tally
	defer e.served.add(n.At != nil, &t)
	for i := range probes {
		if !probes[i].shown(&answers[i]) {
			t.notFound(n.Outputs)
			continue
		}
		row, err := appendOutputs(make([]fqgw.Value, 0, len(n.Outputs)), n.View, n.Outputs, &probes[i], &answers[i], &t)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}

// allNow reads every entity of a view from the online store, up to a cap.
func (e *Engine) allNow(env *fqgw.Env, n *plan.FeatureScan, l *window.Layout) (fqgw.Rows, error) {
	var probes []probe
	for key, err := range e.o.Online.Entities(env.Ctx, n.View.State, entitiesMax) {
		if err != nil && fqgw.AsError(err).Code == fqgw.CodeLimitExceeded {
			return nil, fqgw.Errorf(fqgw.CodeLimitExceeded, "feature view \"%s\" has more than %d entities online", n.View.Name, entitiesMax).
				WithHint("Name the entities (WHERE key = …), or read all of them from history: %s AS OF now().", n.View.Name)
		}
		if err != nil {
			return nil, err
		}
		parts, err := fqgw.DecodeKey(key)
		if err != nil {
			return nil, err
		}
		p := probe{parts: parts, key: key, t: env.Now, k: env.Now, ok: true}
		if err := env.Memory.Take(probeBytes(&p)); err != nil {
			return nil, err
		}
		probes = append(probes, p)
	}
	if err := e.whole(env.Ctx, n.View); err != nil {
		return nil, err
	}
	return batched(indexes(len(probes)), chunkOf(env, n.View, len(n.Outputs)), func(in [][]fqgw.Value) ([][]fqgw.Value, error) {
		some := probes[in[0][0].Int() : in[0][0].Int()+int64(len(in))]
		answers, err := e.readOnline(env, l, some)
		if err != nil {
			return nil, err
		}
		return e.scanRows(n, some, answers)
	}), nil
}

// readOnline asks the online store, one trip for all probes. T is env.Now.
func (e *Engine) readOnline(env *fqgw.Env, l *window.Layout, probes []probe) ([]answer, error) {
	v := l.View()
	answers := make([]answer, len(probes))
	shards := e.o.Online.Shards()
	var reads []fqgw.UnitRead
	at := map[uint32]int{}
	where := make([][2]int, len(probes)) // read, key
	for i := range probes {
		if !probes[i].ok {
			where[i][0] = -1
			continue
		}
		shard := probes[i].key.Shard(shards)
		r, ok := at[shard]
		if !ok {
			r = len(reads)
			at[shard] = r
			reads = append(reads, fqgw.UnitRead{Unit: fqgw.Unit{State: v.State, Shard: shard}})
		}
		where[i] = [2]int{r, len(reads[r].Keys)}
		reads[r].Keys = append(reads[r].Keys, probes[i].key)
	}
	ctx, cancel, limited := deadline(env)
	defer cancel()
	var states []fqgw.UnitState
	var err error
	if len(reads) > 0 {
		states, err = e.o.Online.Read(ctx, reads)
	}
	// Past a deadline each entity whose server did not answer has timed out; the
	// others have their values.
	late := err != nil && limited && env.Ctx.Err() == nil
	if err != nil && !late {
		return nil, err
	}
	if late {
		if len(states) == 0 {
			states = make([]fqgw.UnitState, len(reads))
			for i := range states {
				states[i].Err = err
			}
		}
		for i := range states {
			if e := states[i].Err; e != nil && !overdue(ctx, e) {
				return nil, e
			}
		}
	}
	if err := e.intact(v, states); err != nil {
		return nil, err
	}
	for i := range probes {
		if where[i][0] < 0 {
			answers[i] = answer{reading: l.Empty(env.Now)}
			continue
		}
		r, k := where[i][0], where[i][1]
		if states[r].Err != nil {
			answers[i] = answer{reading: l.Empty(env.Now), timeout: true}
			continue
		}
		if answers[i].reading, err = l.Answer(states[r].States[k], env.Now); err != nil {
			return nil, err
		}
	}
	if !late {
		e.noticeNothing(env, v, answers)
	}
	return answers, nil
}

// overdue says that a server did not answer within the deadline; one that cannot
// be reached does not answer in time either.
func overdue(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || fqgw.AsError(err).Code == fqgw.CodeConnectionFailure
}

// deadline is the context of one trip to the online store, limited by SET
// fqgw.deadline where it is set.
func deadline(env *fqgw.Env) (ctx context.Context, cancel context.CancelFunc, limited bool) {
	if env.Deadline == 0 {
		return env.Ctx, func() {}, false
	}
	ctx, cancel = context.WithTimeout(env.Ctx, env.Deadline)
	return ctx, cancel, true
}
