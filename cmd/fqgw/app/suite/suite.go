// Package suite says in SQL what a suite of Great Expectations asks of each
// row: constraints of a source's gate. What is about many rows, a gate that sees one
// at a time cannot say.
//
// A constraint refuses exactly the rows that Great Expectations calls unexpected in a
// pandas frame: NULLs are passed over, as a CHECK does by itself.
package suite

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fqgw/fqgw/planner/expr"
)

// Suite is what a suite comes to, in its order.
type Suite struct {
	Name        string
	Constraints []Constraint
	Types       []Type
	Unsaid      []Unsaid
}

// Constraint is one of a source's gate. A name stays when the suite is imported again:
// it is made of the source, the columns and the kind.
type Constraint struct {
	Name    string
	NotNull string // the column that is NOT NULL, "" for a CHECK
	Check   string // the expression
}

// Type is what the suite says of a column's type, in PostgreSQL's words.
type Type struct{ Column, Type string }

// Unsaid is an expectation that a constraint cannot say.
type Unsaid struct {
	Expectation, Column, Reason string // Column "" for one of the table
}

// expectation is one of the file, of 0.18 and before (expectation_type) or of 1.x (type).
type expectation struct {
	Type  string         `json:"type"`
	Type0 string         `json:"expectation_type"`
	Args  map[string]any `json:"kwargs"`
}

// Read reads a suite; the error says what is wrong with the file. source is in the
// constraints' names.
func Read(file []byte, source string) (*Suite, error) {
	var f struct {
		Name         string        `json:"name"`
		Name0        string        `json:"expectation_suite_name"`
		Expectations []expectation `json:"expectations"`
	}
	d := json.NewDecoder(bytes.NewReader(file))
	d.UseNumber()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("it is no suite of Great Expectations: %w", err)
	}
	if f.Expectations == nil {
		return nil, errors.New(`it is no suite of Great Expectations: it has no "expectations"`)
	}
	s := &Suite{Name: f.Name + f.Name0}
	for i := range f.Expectations {
		s.add(&f.Expectations[i], source)
	}
	s.nameApart()
	return s, nil
}

// add says one expectation.
func (s *Suite) add(e *expectation, source string) {
	name := e.Type + e.Type0
	a := &args{of: e.Args, used: map[string]bool{}}
	unsaid := func(reason string) {
		column, _ := e.Args["column"].(string)
		s.Unsaid = append(s.Unsaid, Unsaid{name, column, reason})
	}
	if reason := others[name]; reason != "" {
		unsaid(reason)
		return
	}
	say := kinds[name]
	if say == nil {
		unsaid("fqgw does not know it")
		return
	}
	kind, check := say(a)
	condition := a.condition()
	if m, given := a.take("mostly"); given && !isOne(m) {
		a.fail("mostly is less than 1: a share of the rows is about many rows")
	}
	a.unused()
	if a.err != nil {
		unsaid(a.err.Error())
		return
	}
	if kind == "type" {
		s.Types = append(s.Types, Type{a.columns[0], check})
		return
	}
	if check == "" { // it holds of every row
		return
	}
	c := Constraint{Name: strings.Join(append(append([]string{source}, a.columns...), kind), "_"), Check: check}
	switch {
	case condition != "":
		c.Check = fmt.Sprintf("(%s) IS NOT TRUE OR %s", condition, parenthesized(check))
	case kind == "not_null":
		c.NotNull = a.columns[0]
	}
	if !slices.Contains(s.Constraints, c) {
		s.Constraints = append(s.Constraints, c)
	}
}

// maxName is how many bytes a name has in PostgreSQL.
const maxName = 63

// nameApart puts a hash of the expression behind names that are too long or that several
// constraints would have.
func (s *Suite) nameApart() {
	count := map[string]int{}
	for _, c := range s.Constraints {
		count[c.Name]++
	}
	for i := range s.Constraints {
		if c := &s.Constraints[i]; count[c.Name] > 1 || len(c.Name) > maxName {
			hash := fmt.Sprintf("_%x", sha256.Sum256([]byte(c.Name+c.Check)))[:7]
			c.Name = strings.ToValidUTF8(c.Name[:min(len(c.Name), maxName-len(hash))], "") + hash
		}
	}
}

// Statements are the ALTER SOURCE statements that add the constraints, each with its
// semicolon. source is as SQL writes it.
func (s *Suite) Statements(source string) []string {
	var out []string
	for _, c := range s.Constraints {
		if c.NotNull != "" {
			out = append(out, fmt.Sprintf("ALTER SOURCE %s ALTER COLUMN %s SET NOT NULL;", source, expr.QuoteIdent(c.NotNull)))
			continue
		}
		out = append(out, fmt.Sprintf("ALTER SOURCE %s ADD CONSTRAINT %s CHECK (%s);", source, expr.QuoteIdent(c.Name), c.Check))
	}
	return out
}

// Elements are what stands between the parentheses of CREATE SOURCE: the columns whose
// types the suite has, and the constraints.
func (s *Suite) Elements() []string {
	var out []string
	typed := map[string]bool{}
	for _, t := range s.Types {
		if typed[t.Column] {
			continue
		}
		typed[t.Column] = true
		column := expr.QuoteIdent(t.Column) + " " + t.Type
		if slices.ContainsFunc(s.Constraints, func(c Constraint) bool { return c.NotNull == t.Column }) {
			column += " NOT NULL"
		}
		out = append(out, column)
	}
	for _, c := range s.Constraints {
		if c.NotNull == "" || !typed[c.NotNull] {
			out = append(out, fmt.Sprintf("CONSTRAINT %s CHECK (%s)", expr.QuoteIdent(c.Name), c.Check))
		}
	}
	return out
}
