package suite

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/fqgw/fqgw/planner/expr"
)

// condition is the row_condition as SQL, "" without one: the rows for which it is true are
// judged. Comparisons with NULL are as pandas has them: only != and not in are true.
func (a *args) condition() string {
	v, given := a.take("row_condition")
	if !given {
		return ""
	}
	var text string
	var err error
	switch v := v.(type) {
	case string:
		text, err = parseCondition(v)
	case map[string]any:
		text, err = conditionOf(v)
	default:
		err = errors.New("it is none")
	}
	if err != nil {
		a.fail("its row_condition cannot be said: %w", err)
	}
	return text
}

// conditionOf is a condition as versions from 1.5 on write it.
func conditionOf(c map[string]any) (string, error) {
	column := func() string {
		of, _ := c["column"].(map[string]any)
		name, _ := of["name"].(string)
		return expr.QuoteIdent(name)
	}
	switch kind := c["type"]; kind {
	case "comparison":
		op, _ := c["operator"].(string)
		return comparison(column(), strings.ToLower(strings.ReplaceAll(op, "_", " ")), c["parameter"])
	case "nullity":
		if c["is_null"] == true {
			return column() + " IS NULL", nil
		}
		return column() + " IS NOT NULL", nil
	case "and", "or":
		list, _ := c["conditions"].([]any)
		var parts []string
		for _, x := range list {
			m, _ := x.(map[string]any)
			part, err := conditionOf(m)
			if err != nil {
				return "", err
			}
			parts = append(parts, "("+part+")")
		}
		if parts == nil {
			return "", errors.New("it is empty")
		}
		return strings.Join(parts, " "+strings.ToUpper(kind.(string))+" "), nil
	case "pass_through":
		text, _ := c["pass_through_filter"].(string)
		return parseCondition(text)
	}
	return "", fmt.Errorf("it is of the type %v", c["type"])
}

// comparison is one of a column with a value.
func comparison(column, op string, v any) (string, error) {
	if list, ok := v.([]any); ok {
		text := (&args{}).in(column, list)
		switch {
		case text == "":
			return "", errors.New("a list is empty")
		case op == "in":
			return text, nil
		case op == "not in":
			return fmt.Sprintf("(%s) IS NOT TRUE", text), nil
		}
	}
	sql := map[string]string{"==": "=", "!=": "IS DISTINCT FROM", "<": "<", "<=": "<=", ">": ">", ">=": ">="}[op]
	if sql == "" {
		return "", fmt.Errorf("it has the operator %q", op)
	}
	text, err := literal(v)
	return column + " " + sql + " " + text, err
}

// word is a token of a condition as text.
var word = regexp.MustCompile("^\\s*(col\\(\\s*[\"'][^\"']+[\"']\\s*\\)|date\\(\\s*(?:\"[^\"]*\"|'[^']*')\\s*\\)|`[^`]+`|\"[^\"]*\"|'[^']*'|" +
	`[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|[A-Za-z_]\w*|==|!=|<=|>=|[<>()\[\],&|~.])`)

// parseCondition reads a condition that is a text: Great Expectations' own (col("a") > 1), or
// the simple part of what pandas' query() takes.
func parseCondition(text string) (string, error) {
	p := &conditionParser{}
	for rest := text; strings.TrimSpace(rest) != ""; {
		m := word.FindStringSubmatch(rest)
		if m == nil {
			return "", fmt.Errorf("%q is not understood", strings.TrimSpace(rest))
		}
		p.words = append(p.words, m[1])
		rest = rest[len(m[0]):]
	}
	sql, err := p.or()
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("%q is not understood", p.words[0])
	}
	return sql, err
}

type conditionParser struct{ words []string }

func (p *conditionParser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

func (p *conditionParser) take(words ...string) bool {
	for _, w := range words {
		if p.next() == w {
			p.words = p.words[1:]
			return true
		}
	}
	return false
}

func (p *conditionParser) or() (string, error)  { return p.list("OR", p.and, "or", "|") }
func (p *conditionParser) and() (string, error) { return p.list("AND", p.not, "and", "&") }

func (p *conditionParser) list(op string, part func() (string, error), words ...string) (string, error) {
	sql, err := part()
	for several := false; err == nil && p.take(words...); several = true {
		var more string
		more, err = part()
		if !several {
			sql = "(" + sql + ")"
		}
		sql += " " + op + " (" + more + ")"
	}
	return sql, err
}

func (p *conditionParser) not() (string, error) {
	if p.take("not", "~") {
		sql, err := p.not()
		return fmt.Sprintf("(%s) IS NOT TRUE", sql), err
	}
	if p.take("(") {
		sql, err := p.or()
		if err == nil && !p.take(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return sql, err
	}
	return p.atom()
}

// atom is a column with what is asked of it.
func (p *conditionParser) atom() (string, error) {
	name := p.next()
	if name == "" {
		return "", errors.New("it ends too early")
	}
	p.words = p.words[1:]
	switch {
	case strings.HasPrefix(name, "col("):
		name = strings.Trim(strings.TrimSpace(name[len("col("):len(name)-1]), `"'`)
	case name[0] == '`':
		name = strings.Trim(name, "`")
	case !(name[0] == '_' || name[0] >= 'A' && name[0] <= 'Z' || name[0] >= 'a' && name[0] <= 'z') || strings.HasPrefix(name, "date("):
		return "", fmt.Errorf("%q is no column", name)
	}
	column := expr.QuoteIdent(name)
	if p.take(".") {
		is := map[string]string{"isnull": " IS NULL", "isna": " IS NULL", "notnull": " IS NOT NULL", "notna": " IS NOT NULL"}[strings.ToLower(p.next())]
		if is == "" {
			return "", fmt.Errorf("%q is not understood", p.next())
		}
		p.words = p.words[1:]
		if !p.take("(") || !p.take(")") {
			return "", errors.New("a parenthesis is missing")
		}
		return column + is, nil
	}
	op := p.next()
	if p.take("not") {
		op = "not in"
		if !p.take("in") {
			return "", errors.New("not what?")
		}
	} else if op == "" {
		return "", fmt.Errorf("nothing is asked of %q", name)
	} else {
		p.words = p.words[1:]
	}
	v, err := p.value()
	if err != nil {
		return "", err
	}
	return comparison(column, op, v)
}

func (p *conditionParser) value() (any, error) {
	w := p.next()
	if w == "" {
		return nil, errors.New("it ends too early")
	}
	p.words = p.words[1:]
	switch {
	case w == "[":
		list := []any{}
		for !p.take("]") {
			v, err := p.value()
			if err != nil {
				return nil, err
			}
			if list = append(list, v); !p.take(",") && p.next() != "]" {
				return nil, errors.New("a list is not closed")
			}
		}
		return list, nil
	case w[0] == '"' || w[0] == '\'':
		return w[1 : len(w)-1], nil
	case strings.HasPrefix(w, "date("):
		w = strings.TrimSpace(w[len("date(") : len(w)-1])
		return w[1 : len(w)-1], nil
	case w == "True", w == "true":
		return true, nil
	case w == "False", w == "false":
		return false, nil
	case w[0] >= '0' && w[0] <= '9' || (w[0] == '-' || w[0] == '+') && len(w) > 1:
		return json.Number(strings.TrimPrefix(strings.TrimSuffix(w, "."), "+")), nil
	}
	return nil, fmt.Errorf("%q is no value", w)
}
