package exec

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// slowStore answers nothing in time, and goes on with what it was asked.
type slowStore struct {
	fqgw.OnlineStore
	asked [][]fqgw.EntityKey
}

func (s *slowStore) Shards() uint32 { return 1 }

func (s *slowStore) Read(ctx context.Context, reads []fqgw.UnitRead) ([]fqgw.UnitState, error) {
	s.asked = append(s.asked, reads[0].Keys)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestLateKeys asks for a second chunk when the first was late: the trip of the first
// may still be under way, so its keys stay what they are.
func TestLateKeys(t *testing.T) {
	store := &slowStore{}
	e := &Engine{o: Options{Online: store}}
	e.snap.Store(&snapshot{})
	env := &fqgw.Env{Ctx: t.Context(), Deadline: time.Millisecond}
	r := &looked{lookup: &lookup{view: &fqgw.FeatureView{Source: &fqgw.Source{}, Keys: make([]fqgw.KeyColumn, 1)}}, room: &room{entities: make([]fqgw.EntityKey, 0, 8)}, e: e, env: env}
	for _, key := range []fqgw.EntityKey{"a", "b"} {
		r.probes, r.end = []probe{{key: key, ok: true}}, 1
		if err := r.readOnline(); err != nil || !r.late {
			t.Fatal(err, r.late)
		}
	}
	if !slices.Equal(store.asked[0], []fqgw.EntityKey{"a"}) || !slices.Equal(store.asked[1], []fqgw.EntityKey{"b"}) {
		t.Errorf("the store was asked for %q", store.asked)
	}
}
