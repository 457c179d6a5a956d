package stream

import (
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestForeignHistory: the positions in a history are those of one topic. Another
// topic's source does not take them for its own, nor do two sources land into one.
func TestForeignHistory(t *testing.T) {
	w, p, src, _ := setup(t, fqgw.SetClock(t0, 0), nil)
	w.produce(t, record("a", -1, -1), record("b", -1, -1), record("c", -1, -1))
	p.sync(t)
	named := func(name string) *fqgw.Source {
		s := *src
		s.Name = name
		return &s
	}
	refused := func(s *fqgw.Source, want fqgw.Code, text string) {
		t.Helper()
		if err := p.AddSource(t.Context(), s); code(err) != want || !strings.Contains(err.Error(), text) || fqgw.AsError(err).Hint == "" {
			t.Errorf("got %v, want %s with %q and a hint", err, want, text)
		}
	}
	refused(named("other"), fqgw.CodeNotInState, `source "s"`)
	if err := p.DropSource(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}

	// The same topic under another name goes on where the first one was.
	if err := p.AddSource(t.Context(), named("again")); err != nil {
		t.Fatal(err)
	}
	v := *testViews(src)[0]
	v.Source, v.State = named("again"), 77
	if err := p.AddView(t.Context(), &v, nil); err != nil {
		t.Fatal(err)
	}
	w.produce(t, record("a", -1, 0))
	p.sync(t)
	if n, rows := w.count(t, &v, "a"), w.rows(); n != 2 || rows != 4 {
		t.Errorf("taken up by another name: counted %d, landed %d; want 2 and 4", n, rows)
	}
	if err := p.DropSource(t.Context(), "again"); err != nil {
		t.Fatal(err)
	}

	// Another topic, whose offsets lie below what is landed.
	w.log.name, w.log.id = "u", 9
	other := named("other")
	other.Topic = "u"
	refused(other, fqgw.CodeWrongObjectType, `landed from topic "t"`)
	again := named("s")
	again.Topic = "u"
	refused(again, fqgw.CodeWrongObjectType, `landed from topic "t"`)

	// A name that numbers topics differently.
	w.log.name, w.log.id = "t", 1
	w.registry.epochs["third"] = [][16]byte{{9}}
	refused(named("third"), fqgw.CodeNotInState, `"third" had another topic`)
	if err := p.AddSource(t.Context(), src); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

func TestOriginsText(t *testing.T) {
	list := []origin{{0, [16]byte{1, 0xff}, "a;b:c ü"}, {7, [16]byte{}, ""}}
	const text = "1;0:01ff0000000000000000000000000000:a%3Bb%3Ac+%C3%BC;7:00000000000000000000000000000000:" // outlives the process
	if got := originsText(list); got != text {
		t.Errorf("%s, want %s", got, text)
	}
	if got, err := parseOrigins(text); err != nil || !slices.Equal(got, list) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"2", "1;", "1;0:01:a", "1;x:01ff0000000000000000000000000000:a", "x"} {
		if got, err := parseOrigins(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}
