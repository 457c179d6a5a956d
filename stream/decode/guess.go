package decode

import (
	"encoding/json"
	"io"
	"regexp"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// Guess is what type a column of texts has, as far as they tell.
type Guess struct {
	kinds guessed
}

// guessed are the types that are still possible.
type guessed uint16

const (
	asBool guessed = 1 << iota
	asInt
	asNumeric
	asFloat
	asDate
	asTimestamp
	asTimestamptz
	asDocument
	asText
	seen  // there was a value
	asAny = seen - 1
)

var (
	dateForm   = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	momentForm = regexp.MustCompile(`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)? ?(Z|z|[+-]\d\d(:?\d\d)?)?$`)
)

// text notes a value. A number with zeros before it is a text: they say something.
func (g *Guess) text(s string) {
	can := asText
	parses := func(t fqgw.Type) bool { _, err := expr.Parse(s, t, nil); return err == nil }
	switch {
	case s == "true", s == "false":
		can |= asBool
	case dateForm.MatchString(s) && parses(fqgw.Date):
		can |= asDate | asTimestamp
	case momentForm.MatchString(s) && parses(fqgw.Timestamptz):
		if strings.ContainsAny(s[len(s)-6:], "Zz+") || strings.LastIndexByte(s, '-') > 10 {
			can |= asTimestamptz
		} else {
			can |= asTimestamp
		}
	case isNumber(s):
		can |= asNumeric | asFloat
		if parses(fqgw.Int8) {
			can |= asInt
		} else if strings.Trim(s, "-0123456789") != "" {
			can &^= asNumeric
		}
	}
	g.note(can)
}

func (g *Guess) note(can guessed) {
	if g.kinds&seen == 0 {
		g.kinds = asAny | seen
	}
	g.kinds &= can | seen
}

var numberForm = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$`)

func isNumber(s string) bool { return numberForm.MatchString(s) }

// Type is the narrowest type that has all values; text where there were none.
func (g *Guess) Type() fqgw.Type {
	if g.kinds&seen == 0 {
		return fqgw.Text
	}
	for _, c := range []struct {
		as guessed
		t  fqgw.Type
	}{{asBool, fqgw.Bool}, {asInt, fqgw.Int8}, {asNumeric, fqgw.Numeric}, {asFloat, fqgw.Float8}, {asDate, fqgw.Date}, {asTimestamp, fqgw.Timestamp},
		{asTimestamptz, fqgw.Timestamptz}, {asDocument, fqgw.JSONB}} {
		if g.kinds&c.as != 0 {
			return c.t
		}
	}
	return fqgw.Text
}

// GuessCSV guesses the types of so many columns by the first rows.
func GuessCSV(r *CSVReader, columns, rows int) ([]fqgw.Type, error) {
	all := make([]Guess, columns)
	for range rows {
		cells, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		for i := range min(len(cells), columns) {
			if !cells[i].Null {
				all[i].text(string(cells[i].Text))
			}
		}
	}
	out := make([]fqgw.Type, columns)
	for i := range all {
		out[i] = all[i].Type()
	}
	return out, nil
}

// GuessJSON guesses the columns of rows that are objects, by the first of them: each
// field is one, in the order in which they come up.
func GuessJSON(lines *Lines, rows int) ([]fqgw.Column, error) {
	var names []string
	all := map[string]*Guess{}
	for range rows {
		line, err := lines.Line()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			continue
		}
		if err := guessObject(line, &names, all); err != nil {
			return nil, fqgw.Errorf(fqgw.CodeInvalidText, "line %d is not a JSON object: %w", lines.At, err).
				WithHint("Files of NDJSON have one object on each line.")
		}
	}
	out := make([]fqgw.Column, len(names))
	for i, name := range names {
		out[i] = fqgw.Column{Name: name, Type: all[name].Type()}
		if strings.Contains(name, ".") {
			return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "field \"%s\" has a dot in its name", name).
				WithHint("Write the columns that are wanted: CREATE SOURCE … (column type, …) WITH (…).")
		}
	}
	return out, nil
}

func guessObject(line []byte, names *[]string, all map[string]*Guess) error {
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errNoObject
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return err
		}
		name := key.(string)
		g := all[name]
		if g == nil {
			g = &Guess{}
			all[name], *names = g, append(*names, name)
		}
		switch v := value.(type) {
		case bool:
			g.note(asBool | asText)
		case json.Number:
			g.text(v.String())
		case string:
			g.text(v)
			g.kinds &^= asBool | asInt | asNumeric | asFloat // as a text they were meant
		case map[string]any, []any:
			g.note(asDocument)
		}
	}
	_, err := d.Token()
	return err
}

var errNoObject = fqgw.Errorf(fqgw.CodeInvalidText, "it begins otherwise")
