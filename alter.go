package fqgw

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Gate is a gate version of a source that another one followed (SEMANTICS §3.6): what its
// records were decoded and judged by.
type Gate struct {
	Source *Source // as it was defined then
	Until  Marks   // the records below are its own, unless they are an earlier one's
	// Places says of each column of the source as it is now where it stood then; -1: it
	// came later, and rows of then are NULL there. nil: the columns are the same.
	Places []int
}

// Row is a row of the version as one of the source as it is now.
func (g *Gate) Row(row []Value) []Value {
	if g.Places == nil {
		return row
	}
	out := make([]Value, len(g.Places))
	for i, p := range g.Places {
		if p >= 0 {
			out[i] = row[p]
		}
	}
	return out
}

// GateOf is the number of the gate version that judges the record at a position, which
// is not a matter of when that is asked.
func (s *Source) GateOf(p Position) int {
	for i := range s.Earlier {
		if s.Earlier[i].Until.Covers(p) {
			return i + 1
		}
	}
	return len(s.Earlier) + 1
}

// GateAt is a gate version by its number: the source as it was defined by it, and how
// its rows are those of now; nil of the newest, whose rows they are.
func (s *Source) GateAt(number int) (*Source, *Gate) {
	if number > 0 && number <= len(s.Earlier) {
		return s.Earlier[number-1].Source, &s.Earlier[number-1]
	}
	return s, nil
}

// Since is the number of the gate version that a column came with.
func (s *Source) Since(column int) int {
	for i, g := range s.Earlier {
		if g.Places == nil || g.Places[column] >= 0 {
			return i + 1
		}
	}
	return len(s.Earlier) + 1
}

// FirstOwn are the columns that the source's history was made with, which Steps changed
// since.
func (s *Source) FirstOwn() []Column {
	first, _ := s.GateAt(1)
	return first.Own()
}

// sameColumns says that places are those of columns which all stayed where they were.
func sameColumns(places []int, before int) bool {
	if len(places) != before {
		return false
	}
	for i, p := range places {
		if p != i {
			return false
		}
	}
	return true
}

// Follow makes s the next gate version of a source: places says of each column of s
// where it stood in before, -1 for new ones, and from where s judges. s has no earlier
// versions yet.
func (s *Source) Follow(before *Source, places []int, from Marks) {
	for _, g := range before.Earlier {
		was := g.Places
		g.Places = slices.Clone(places)
		for i, p := range places {
			if p >= 0 && was != nil {
				g.Places[i] = was[p]
			}
		}
		if sameColumns(g.Places, len(g.Source.Columns)) {
			g.Places = nil
		}
		s.Earlier = append(s.Earlier, g)
	}
	last := *before
	last.Earlier = nil
	g := Gate{Source: &last, Until: from, Places: slices.Clone(places)}
	if sameColumns(places, len(before.Columns)) {
		g.Places = nil
	}
	s.Earlier = append(s.Earlier, g)
	s.GateVersion = len(s.Earlier) + 1
}

// Alteration is one ALTER of a source or a table, as the registry keeps it among the
// properties of the object that it changes.
type Alteration struct {
	SQL  string
	From Marks // of a source: where its next gate version begins; generations are left out
}

// AlterationName is the property that has the ALTER which made a version: 2, 3 …
func AlterationName(version int) string { return "alter." + strconv.Itoa(version) }

// alterationText outlives the process, version 1; a test pins it.
type alterationText struct {
	Version int        `json:"version"`
	SQL     string     `json:"sql"`
	From    [][2]int64 `json:"from,omitempty"` // by partition: epoch and offset
}

// Text is the alteration as the registry keeps it.
func (a *Alteration) Text() string {
	out := alterationText{Version: 1, SQL: a.SQL}
	for _, m := range a.From {
		out.From = append(out.From, [2]int64{int64(m.Epoch), m.Next})
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err) // of texts and numbers
	}
	return string(b)
}

// ParseAlteration reads what Text wrote; XX001 when it cannot be read.
func ParseAlteration(text string) (a Alteration, err error) {
	var in alterationText
	if err := json.Unmarshal([]byte(text), &in); err != nil || in.Version != 1 {
		return a, Errorf(CodeDataCorrupted, "the note of an ALTER cannot be read: %q", text)
	}
	a.SQL = in.SQL
	for _, m := range in.From {
		a.From = append(a.From, Mark{Epoch: int32(m[0]), Next: m[1]})
	}
	return a, nil
}

// StepMark is the mark of the step that brings a relation's table of the lake to a version.
func StepMark(oid uint32, version int) string {
	return "1 " + strconv.Itoa(int(oid)) + " " + strconv.Itoa(version)
}
