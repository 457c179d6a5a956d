package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// Registries opens and ends the registry that is checked.
type Registries struct {
	// Open is one more handle, an owner of its own, of the one registry, which is
	// empty at first; the suite closes it.
	Open func(t *testing.T) fqgw.Registry
	// Kill ends a handle as a killed process does: the owner says no goodbye. It
	// returns when the registry takes it for gone, and what the handle itself still
	// writes comes after that.
	Kill func(t *testing.T, r fqgw.Registry)
}

// Registry checks a registry.
func Registry(t *testing.T, rs Registries) {
	r := rs.Open(t)
	s := &registrySuite{Registry: r, rs: rs}
	t.Run("definitions", s.definitions)
	t.Run("many objects", s.manyObjects)
	t.Run("watch", s.watch)
	t.Run("concurrent commits", s.concurrentCommits)
	t.Run("sequences", s.sequences)
	t.Run("facts", s.facts)
	t.Run("swap", s.swap)
	t.Run("owners", s.owners)
	t.Run("gone", s.gone)
	t.Run("epochs", s.epochs)
	t.Run("cancelled", s.cancelled)
	t.Run("opened again", s.again)
}

type registrySuite struct {
	fqgw.Registry
	rs Registries
}

// other is one more handle for the length of a test.
func (r *registrySuite) other(t *testing.T) fqgw.Registry {
	o := r.rs.Open(t)
	t.Cleanup(func() { o.Close() })
	return o
}

func (r *registrySuite) version(t *testing.T) int64 {
	t.Helper()
	defs, err := r.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return defs.Version
}

func sameObjects(a, b []fqgw.Object) bool {
	return slices.EqualFunc(a, b, func(x, y fqgw.Object) bool { return x.Equal(&y) })
}

func (r *registrySuite) definitions(t *testing.T) {
	ctx := t.Context()
	load := func(version int64, want ...fqgw.Object) {
		t.Helper()
		defs, err := r.Load(ctx)
		if err != nil || defs.Version != version || !sameObjects(defs.Objects, want) {
			t.Fatalf("loaded %+v, %v; not %+v", defs, err, want)
		}
	}
	load(0)
	source := fqgw.Object{OID: 16384, Kind: "source", Schema: "public", Name: "größe \"s\"", Version: 1, SQL: "CREATE SOURCE …;\n-- x",
		Props: map[string]string{"a": "b", "": "ü'"}, Form: "1:ab"}
	view := fqgw.Object{OID: 16386, Kind: "feature view", Schema: "an.other", Name: "v", Version: 1, State: 1 << 40, SQL: "CREATE …", Path: []string{"an.other", "\"public\""}}
	if v, err := r.Commit(ctx, 0, fqgw.DefinitionChange{Put: []fqgw.Object{view, source}}); err != nil || v != 1 {
		t.Fatalf("version %d, %v", v, err)
	}
	load(1, source, view)
	for _, base := range []int64{0, 2, -1} {
		if _, err := r.Commit(ctx, base, fqgw.DefinitionChange{Drop: []uint32{source.OID}, Facts: []fqgw.Fact{{Name: "stale", Value: "x"}}}); codeOf(err) != fqgw.CodeSerialization {
			t.Errorf("a commit on version %d: %v", base, err)
		}
	}
	if v, err := r.Get(ctx, "stale"); v != "" || err != nil {
		t.Errorf("a stale commit set a fact: %q, %v", v, err)
	}
	load(1, source, view)
	// The next version of the view lives beside the first; two objects change their
	// names for each other's; a dropped one's name is free.
	second := fqgw.Object{OID: 16390, Kind: "feature view", Name: "v", Version: 2, State: 7}
	source.Name, view.Name = view.Name, source.Name
	third := fqgw.Object{OID: 4_000_000_000, Kind: "table", Name: "t"}
	if v, err := r.Commit(ctx, 1, fqgw.DefinitionChange{Put: []fqgw.Object{source, view, second, third}}); err != nil || v != 2 {
		t.Fatalf("version %d, %v", v, err)
	}
	load(2, source, view, second, third)
	again := fqgw.Object{OID: 16391, Kind: "table", Name: "t"}
	change := fqgw.DefinitionChange{Put: []fqgw.Object{again}, Drop: []uint32{third.OID, second.OID, 99}, Facts: []fqgw.Fact{{Name: "with it", Value: "1"}}}
	if v, err := r.Commit(ctx, 2, change); err != nil || v != 3 {
		t.Fatalf("version %d, %v", v, err)
	}
	load(3, source, view, again)
	if v, err := r.Get(ctx, "with it"); v != "1" || err != nil {
		t.Errorf("the fact of the commit is %q, %v", v, err)
	}
	if v, err := r.Commit(ctx, 3, fqgw.DefinitionChange{Facts: []fqgw.Fact{{Name: "with it"}}}); err != nil || v != 4 {
		t.Fatalf("version %d, %v", v, err)
	}
	if v, err := r.Get(ctx, "with it"); v != "" || err != nil {
		t.Errorf("the fact that a commit removes is %q, %v", v, err)
	}
	load(4, source, view, again)
}

func (r *registrySuite) manyObjects(t *testing.T) {
	ctx := t.Context()
	defs, err := r.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var c, drop fqgw.DefinitionChange
	for i := range 10_000 {
		o := fqgw.Object{OID: uint32(100_000 + i), Kind: "table", Schema: "public", Name: fmt.Sprint("many", i), Version: 1, SQL: strings.Repeat("x", i%300)}
		c.Put, drop.Drop = append(c.Put, o), append(drop.Drop, o.OID)
	}
	began := time.Now()
	v, err := r.Commit(ctx, defs.Version, c)
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.Load(ctx)
	if err != nil || !sameObjects(all.Objects, append(slices.Clone(defs.Objects), c.Put...)) {
		t.Errorf("%d objects of 10,000, %v", len(all.Objects), err)
	}
	if _, err := r.Commit(ctx, v, drop); err != nil {
		t.Fatal(err)
	}
	t.Logf("10,000 objects committed, loaded and dropped in %v", time.Since(began).Round(time.Millisecond))
}

// watch: a version reaches those who watch, whoever made it, within a second.
func (r *registrySuite) watch(t *testing.T) {
	ctx := t.Context()
	other, at := r.other(t), r.version(t)
	if v, err := other.Watch(ctx, at-1); v != at || err != nil {
		t.Errorf("what is newer is %d, %v; not %d", v, err, at)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if v, err := other.Watch(short, at); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing new is %d, %v", v, err)
	}
	for _, writer := range []fqgw.Registry{r, other} {
		seen := make(chan time.Time, 2)
		for _, reader := range []fqgw.Registry{r, other} {
			go func() {
				if v, err := reader.Watch(ctx, at); v != at+1 || err != nil {
					t.Errorf("watched %d, %v; not %d", v, err, at+1)
				}
				seen <- time.Now()
			}()
		}
		time.Sleep(20 * time.Millisecond)
		v, err := writer.Commit(ctx, at, fqgw.DefinitionChange{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 2 {
			if took := (<-seen).Sub(began); took > time.Second {
				t.Errorf("a version reached a reader after %v", took)
			}
		}
		at = v
	}
}

// concurrentCommits: of those who commit on one version, one does; who tries again
// on the new version gets his turn, and nothing is lost.
func (r *registrySuite) concurrentCommits(t *testing.T) {
	ctx := t.Context()
	handles := []fqgw.Registry{r, r.other(t), r.other(t)}
	base := r.version(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 9 {
		wg.Go(func() {
			h, object := handles[i%3], fqgw.Object{OID: uint32(20000 + i), Kind: "table", Name: fmt.Sprint("t", i)}
			v, err := h.Commit(ctx, base, fqgw.DefinitionChange{Put: []fqgw.Object{object}})
			mu.Lock()
			if err == nil {
				won++
			}
			mu.Unlock()
			for codeOf(err) == fqgw.CodeSerialization {
				var defs fqgw.Definitions
				if defs, err = h.Load(ctx); err == nil {
					v, err = h.Commit(ctx, defs.Version, fqgw.DefinitionChange{Put: []fqgw.Object{object}})
				}
			}
			if err != nil || v <= base {
				t.Errorf("version %d, %v", v, err)
			}
		})
	}
	wg.Wait()
	defs, err := r.Load(ctx)
	if err != nil || won != 1 || defs.Version != base+9 {
		t.Errorf("%d committed on the same version, then version %d, %v", won, defs.Version, err)
	}
	for i := range 9 {
		if !slices.ContainsFunc(defs.Objects, func(o fqgw.Object) bool { return o.OID == uint32(20000+i) }) {
			t.Errorf("object %d was lost", i)
		}
	}
}

func (r *registrySuite) sequences(t *testing.T) {
	ctx := t.Context()
	other := r.other(t)
	if n, err := r.Next(ctx, "oid", 1); err != nil || n != 16384 {
		t.Errorf("the first oid is %d, %v", n, err)
	}
	if n, err := other.Next(ctx, "oid", 5); err != nil || n != 16385 {
		t.Errorf("the next oid is %d, %v", n, err)
	}
	var wg sync.WaitGroup
	var seen sync.Map
	for i := range 8 {
		h := []fqgw.Registry{r, other}[i%2]
		wg.Go(func() {
			for range 5 {
				n, err := h.Next(ctx, "state", 3)
				if _, twice := seen.LoadOrStore(n, true); twice || err != nil || n < 1 || n%3 != 1 {
					t.Errorf("state %d, %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := r.Next(ctx, "state", 1); err != nil || n != 121 {
		t.Errorf("after 120 states comes %d, %v", n, err)
	}
	if n, err := r.Next(ctx, "oid", 1); err != nil || n != 16390 {
		t.Errorf("the next oid is %d, %v", n, err)
	}
}

func (r *registrySuite) facts(t *testing.T) {
	ctx := t.Context()
	if v, err := r.Get(ctx, "fact"); v != "" || err != nil {
		t.Errorf("a fact that is not there: %q, %v", v, err)
	}
	for _, v := range []string{"1", "ü'\n", strings.Repeat("x", 1<<20), "", "2"} {
		if err := r.Put(ctx, "fact", v); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Get(ctx, "fact"); got != v || err != nil {
			t.Errorf("%.20q is %.20q, %v", v, got, err)
		}
	}
	if got, err := r.other(t).Get(ctx, "fact"); got != "2" || err != nil {
		t.Errorf("another owner reads %q, %v", got, err)
	}
}

// swap: of those who change a fact from what they read, each sees the others'.
func (r *registrySuite) swap(t *testing.T) {
	ctx := t.Context()
	other := r.other(t)
	swap := func(old, value string, want bool) {
		t.Helper()
		if same, err := r.Swap(ctx, "swap", old, value); same != want || err != nil {
			t.Errorf("%q to %q: %v, %v", old, value, same, err)
		}
	}
	swap("x", "1", false)
	swap("", "1", true)
	swap("", "2", false)
	swap("1", "", true)
	swap("1", "3", false)
	swap("", "0", true)
	var wg sync.WaitGroup
	for i := range 6 {
		h := []fqgw.Registry{r, other}[i%2]
		wg.Go(func() {
			for done := 0; done < 5; {
				old, err := h.Get(ctx, "swap")
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				_, _ = fmt.Sscan(old, &n)
				same, err := h.Swap(ctx, "swap", old, fmt.Sprint(n+1))
				if err != nil {
					t.Error(err)
					return
				}
				if same {
					done++
				}
			}
		})
	}
	wg.Wait()
	if v, err := r.Get(ctx, "swap"); v != "30" || err != nil {
		t.Errorf("30 steps lead to %q, %v", v, err)
	}
}

// owners: what is an owner's own is taken over when it is gone, by one.
func (r *registrySuite) owners(t *testing.T) {
	ctx := t.Context()
	adopt := func(h fqgw.Registry, want ...fqgw.Fact) {
		t.Helper()
		got, err := h.Adopt(ctx, "doing ")
		slices.SortFunc(got, func(a, b fqgw.Fact) int { return strings.Compare(a.Name, b.Name) })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("owner %d adopted %v, %v; not %v", h.Owner(), got, err, want)
		}
	}
	put := func(h fqgw.Registry, name, value string) {
		t.Helper()
		if err := h.PutOwn(ctx, name, value); err != nil {
			t.Fatal(err)
		}
	}
	first, second := r.rs.Open(t), r.rs.Open(t)
	if first.Owner() == second.Owner() || first.Owner() == r.Owner() {
		t.Fatalf("owners %d, %d and %d", r.Owner(), first.Owner(), second.Owner())
	}
	put(first, "doing a", "1")
	put(first, "doing a", "2")
	put(first, "doing done", "x")
	put(first, "doing done", "")
	put(first, "other a", "3")
	put(second, "doing b", "4")
	if v, err := first.Commit(ctx, r.version(t), fqgw.DefinitionChange{Facts: []fqgw.Fact{{Name: "doing c", Value: "5"}}}); err != nil {
		t.Fatal(v, err)
	}
	if err := r.Put(ctx, "doing nobody's", "6"); err != nil {
		t.Fatal(err)
	}
	adopt(r)
	adopt(first)
	if v, err := r.Get(ctx, "doing a"); v != "2" || err != nil {
		t.Errorf("what another owns reads as %q, %v", v, err)
	}
	// One that is closed is gone, and so is one that is killed.
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	adopt(r, fqgw.Fact{Name: "doing b", Value: "4"})
	adopt(first)
	r.rs.Kill(t, first)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []fqgw.Fact
	heir := r.rs.Open(t)
	for i := range 4 {
		wg.Go(func() {
			got, err := []fqgw.Registry{r, heir}[i%2].Adopt(ctx, "doing ")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, got...)
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b fqgw.Fact) int { return strings.Compare(a.Name, b.Name) })
	if want := []fqgw.Fact{{Name: "doing a", Value: "2"}, {Name: "doing c", Value: "5"}}; !slices.Equal(all, want) {
		t.Errorf("adopted %v, not %v", all, want)
	}
	// An heir's heir goes on, with what was done meanwhile.
	got, err := heir.Adopt(ctx, "other ")
	if want := []fqgw.Fact{{Name: "other a", Value: "3"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("adopted %v, %v", got, err)
	}
	put(heir, "other a", "")
	put(heir, "other b", "7")
	r.rs.Kill(t, heir)
	if got, err = r.Adopt(ctx, "other "); err != nil || !slices.Equal(got, []fqgw.Fact{{Name: "other b", Value: "7"}}) {
		t.Errorf("the heir's heir adopted %v, %v", got, err)
	}
}

// gone: who was taken for gone but is not changes nothing any more.
func (r *registrySuite) gone(t *testing.T) {
	ctx := t.Context()
	zombie := r.rs.Open(t)
	if err := zombie.PutOwn(ctx, "half done", "1"); err != nil {
		t.Fatal(err)
	}
	at := r.version(t)
	r.rs.Kill(t, zombie)
	if got, err := r.Adopt(ctx, "half "); err != nil || len(got) != 1 {
		t.Fatalf("adopted %v, %v", got, err)
	}
	if _, err := zombie.Commit(ctx, at, fqgw.DefinitionChange{Put: []fqgw.Object{{OID: 30000, Kind: "table", Name: "of a zombie"}}}); err == nil {
		t.Error("it committed")
	}
	if err := zombie.PutOwn(ctx, "half done", "2"); err == nil {
		t.Error("it changed what was its own")
	}
	if got, err := zombie.Adopt(ctx, "half "); err == nil {
		t.Errorf("it adopted %v", got)
	}
	if v, err := r.Get(ctx, "half done"); v != "1" || err != nil || r.version(t) != at {
		t.Errorf("then the fact is %q, %v, the version %d", v, err, r.version(t))
	}
}

func (r *registrySuite) epochs(t *testing.T) {
	for _, want := range []struct {
		source string
		id     byte
		epoch  int32
	}{{"s", 1, 0}, {"s", 1, 0}, {"s", 2, 1}, {"other", 2, 0}, {"s", 1, 0}, {"s", 0, 2}} {
		if e, err := r.Epoch(t.Context(), want.source, [16]byte{want.id}); e != want.epoch || err != nil {
			t.Errorf("epoch of %s %d is %d, %v; not %d", want.source, want.id, e, err, want.epoch)
		}
	}
	// Several who see a topic first give it one number.
	handles := []fqgw.Registry{r, r.other(t)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if e, err := handles[i%2].Epoch(t.Context(), "raced", [16]byte{7}); e != 0 || err != nil {
				t.Errorf("epoch %d, %v", e, err)
			}
		})
	}
	wg.Wait()
}

func (r *registrySuite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{"load": second(r.Load(ctx)), "commit": second(r.Commit(ctx, 0, fqgw.DefinitionChange{})), "watch": second(r.Watch(ctx, 1<<40)),
		"next": second(r.Next(ctx, "oid", 1)), "get": second(r.Get(ctx, "x")), "put": r.Put(ctx, "x", "y"), "swap": second(r.Swap(ctx, "x", "", "y")),
		"put own": r.PutOwn(ctx, "x", "y"), "adopt": second(r.Adopt(ctx, "x"))} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Put(t.Context(), "x", "z"); err != nil {
		t.Errorf("after a cancelled call: %v", err)
	}
}

// again: everything is there when it is opened again.
func (r *registrySuite) again(t *testing.T) {
	ctx := t.Context()
	before, err := r.Load(ctx)
	if err != nil || len(before.Objects) == 0 {
		t.Fatalf("loaded %+v, %v", before, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	next := r.rs.Open(t)
	defer next.Close()
	after, err := next.Load(ctx)
	if err != nil || after.Version != before.Version || !sameObjects(after.Objects, before.Objects) {
		t.Errorf("after opening again: %+v, %v", after, err)
	}
	if v, err := next.Get(ctx, "swap"); v != "30" || err != nil {
		t.Errorf("the fact is %q, %v", v, err)
	}
	if n, err := next.Next(ctx, "oid", 1); n != 16391 || err != nil {
		t.Errorf("the next oid is %d, %v", n, err)
	}
	if e, err := next.Epoch(ctx, "s", [16]byte{0}); e != 2 || err != nil {
		t.Errorf("the epoch is %d, %v", e, err)
	}
}
