package exec

import (
	"cmp"
	"context"
	"fmt"

	"github.com/fqgw/fqgw"
)

// Waiting says what reads of now wait for, a line for each feature view that
// cannot be read, and how far its filling is; nothing when all can be. It looks at
// another shard of the online store each time: a store that was emptied is seen
// before the stream has something to write to it.
func (e *Engine) Waiting(ctx context.Context) []string {
	var out []string
	var reads []fqgw.UnitRead
	var names []string // of the reads' views
	shard := e.looked.Add(1) % e.o.Online.Shards()
	for _, v := range states(e.Catalog()) {
		if progress, filling := e.filling(v); filling {
			out = append(out, waiting(v.Name, cmp.Or(progress, "filling begins")))
		} else {
			for _, part := range v.Parts() {
				reads = append(reads, fqgw.UnitRead{Unit: fqgw.Unit{State: part.State, Shard: shard}})
				names = append(names, v.Name)
			}
		}
	}
	if len(reads) == 0 {
		return out
	}
	units, _ := e.o.Online.Read(ctx, reads)
	for i, u := range units {
		switch {
		case u.Err != nil:
			out = append(out, waiting(names[i], u.Err.Error()))
		case u.Marks == nil:
			out = append(out, waiting(names[i], "the online store has lost it"))
		}
	}
	return out
}

func waiting(view, why string) string { return fmt.Sprintf("feature view %q: %s", view, why) }

// filling says whether a view is being made, and how far that is.
func (e *Engine) filling(v *fqgw.FeatureView) (progress string, filling bool) {
	for _, part := range v.Parts() {
		if p, is := e.o.Streams.Filling(part); is && !filling {
			progress, filling = p, true
		}
	}
	b := e.snap.Load().building[v.State]
	if b == nil {
		return progress, filling
	}
	if p := b.progress.Load(); p != nil {
		progress = *p
	}
	if b.stands && progress == "" {
		progress = "it stands in the online store and catches up"
	}
	return progress, true
}
