package decode

import (
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode/internal/avro"
)

// avroStep passes over one value of the writer's type, and reads what is wanted of it.
type avroStep struct {
	typ   *avro.Type
	reads []avroTarget
	inner []*avroStep          // of a record's fields and a union's branches; nil: passed over
	keys  map[string]*avroStep // of a map
}

// avroTarget is a column that a value is read as.
type avroTarget struct {
	at   int
	read *avroRead
}

// avroWant is a column that lies in a value, at a path from there.
type avroWant struct {
	at   int
	path []string
}

// avroPaths are the paths of a column, of which the first is read that the writer has.
func avroPaths(c *fqgw.Column) [][]string {
	if c.Field == "" {
		return [][]string{{c.Name}}
	}
	var out [][]string
	for p := range strings.SplitSeq(c.Field, "|") {
		out = append(out, strings.Split(p, "."))
	}
	return out
}

// avroHas says whether there is something at a path of a type.
func avroHas(t *avro.Type, path []string) bool { return avroAt(t, path) != nil }

// newAvroPlan is how values of the writer's type are read as columns, each at the first
// of its paths that there is. A column that the writer has not is NULL.
func newAvroPlan(t *avro.Type, paths [][][]string, columns []column) *avroStep {
	var wants []avroWant
	for i := range paths {
		for _, path := range paths[i] {
			if avroHas(t, path) {
				wants = append(wants, avroWant{i, path})
				break
			}
		}
	}
	return avroStepOf(t, wants, columns, false)
}

// avroStepOf is nil where nothing is wanted. Types may hold themselves, paths do not.
func avroStepOf(t *avro.Type, wants []avroWant, columns []column, among bool) *avroStep {
	s := &avroStep{typ: t}
	inner := map[int][]avroWant{}
	keys := map[string][]avroWant{}
	for _, w := range wants {
		switch {
		case len(w.path) == 0:
			s.reads = append(s.reads, avroTarget{w.at, newAvroRead(t, &columns[w.at], among)})
		case t.Kind == avro.Record:
			if i := t.Field(w.path[0]); i >= 0 {
				inner[i] = append(inner[i], avroWant{w.at, w.path[1:]})
			}
		case t.Kind == avro.Union:
			for i := range t.Branches {
				inner[i] = append(inner[i], w)
			}
		case t.Kind == avro.Map:
			keys[w.path[0]] = append(keys[w.path[0]], avroWant{w.at, w.path[1:]})
		}
	}
	if len(inner) > 0 {
		of, _ := t.Branch()
		s.inner = make([]*avroStep, max(len(t.Fields), len(t.Branches)))
		for i, wants := range inner {
			if t.Kind == avro.Record {
				s.inner[i] = avroStepOf(t.Fields[i].Type, wants, columns, false)
			} else {
				s.inner[i] = avroStepOf(t.Branches[i], wants, columns, of == nil)
			}
		}
	}
	for key, wants := range keys {
		if of := avroStepOf(t.Elem, wants, columns, false); of != nil {
			if s.keys == nil {
				s.keys = map[string]*avroStep{}
			}
			s.keys[key] = of
		}
	}
	if s.reads == nil && s.inner == nil && s.keys == nil {
		return nil
	}
	for _, r := range s.reads {
		r.read.again = s.inner != nil
	}
	return s
}

// avroRun reads one record into a row.
type avroRun struct {
	avroValues
	row   []fqgw.Value
	errs  []error // by column: why it could not be read
	lacks []bool  // by column: its value is one that Debezium does not have
	clean bool    // there are none of both
}

func newAvroRun(columns int) avroRun {
	return avroRun{errs: make([]error, columns), lacks: make([]bool, columns), clean: true}
}

func (d *avroRun) begin(body []byte, row []fqgw.Value) {
	d.Reset(body)
	d.row = row
	if !d.clean {
		clear(d.errs)
		clear(d.lacks)
		d.clean = true
	}
}

// first is why the first column that could not be read could not.
func (d *avroRun) first() error {
	if d.clean {
		return nil
	}
	for _, err := range d.errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *avroRun) step(t *avro.Type, s *avroStep) {
	if s == nil {
		d.Skip(t)
		return
	}
	at := d.At()
	for i := range s.reads {
		if i > 0 {
			d.Back(at)
		}
		d.target(&s.reads[i])
	}
	if s.inner == nil && s.keys == nil {
		return
	}
	if len(s.reads) > 0 {
		d.Back(at)
	}
	switch t.Kind {
	case avro.Record:
		if d.Enter() {
			for i, of := range s.inner {
				if d.Bad() {
					break
				}
				d.step(t.Fields[i].Type, of)
			}
		}
		d.Leave()
	case avro.Union:
		if i := d.Index(len(t.Branches)); !d.Bad() {
			d.step(t.Branches[i], s.inner[i])
		}
	case avro.Map:
		d.entries(t, s)
	}
}

func (d *avroRun) target(to *avroTarget) {
	d.lacking = false
	v, err := d.value(to.read)
	switch {
	case d.Bad():
		return
	case d.lacking, d.fillers && (v.Kind() == fqgw.KindBytes || v.Kind() == fqgw.KindArray) && unavailable(v):
		v, d.lacks[to.at], d.clean = fqgw.Null, true, false
	case err != nil:
		v, d.errs[to.at], d.clean = fqgw.Null, inColumn(shorten(err), to.read.column.name), false
	}
	d.row[to.at] = v
}

// entries are those of a map; of a key that comes twice the last one holds.
func (d *avroRun) entries(t *avro.Type, s *avroStep) {
	if d.Enter() {
		for n, _ := d.Block(); n > 0; n, _ = d.Block() {
			for ; n > 0 && !d.Bad(); n-- {
				of := s.keys[string(d.Bytes())]
				if of != nil {
					d.forget(of)
				}
				d.step(t.Elem, of)
			}
		}
	}
	d.Leave()
}

// forget takes back what was read of a value.
func (d *avroRun) forget(s *avroStep) {
	for _, r := range s.reads {
		d.row[r.at], d.errs[r.at], d.lacks[r.at] = fqgw.Null, nil, false
	}
	for _, in := range s.inner {
		if in != nil {
			d.forget(in)
		}
	}
	for _, in := range s.keys {
		d.forget(in)
	}
}
