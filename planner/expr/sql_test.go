package expr

import (
	"fmt"
	"strings"

	"github.com/fqgw/fqgw"
)

// A reader of SQL expressions for tests: enough of the grammar to write what the
// constructors take, and what String prints. The product's parser is planner/parse.

type sqlToken struct {
	kind byte // 'i' identifier, 'q' quoted identifier, 's' string, 'n' number, 'o' operator, 0 end
	text string
}

type sqlReader struct {
	tokens []sqlToken
	at     int
	cols   []fqgw.Column
}

type sqlFailure struct{ err error }

// bindSQL binds an expression over columns.
func bindSQL(sql string, cols ...fqgw.Column) (e fqgw.Expr, err error) {
	r := &sqlReader{tokens: sqlTokens(sql), cols: cols}
	defer func() {
		if p := recover(); p != nil {
			f, ok := p.(sqlFailure)
			if !ok {
				panic(p)
			}
			e, err = nil, f.err
		}
	}()
	e = r.expr(0)
	if r.peek().kind != 0 {
		return nil, fmt.Errorf("test reader: %q left in %q", r.peek().text, sql)
	}
	return e, nil
}

func sqlTokens(s string) (out []sqlToken) {
	for i := 0; i < len(s); {
		c, start := s[i], i
		switch {
		case isSpace(c):
			i++
		case c == '\'':
			var b strings.Builder
			for i++; i < len(s); i++ {
				if s[i] == '\'' {
					if i+1 < len(s) && s[i+1] == '\'' {
						i++
					} else {
						break
					}
				}
				b.WriteByte(s[i])
			}
			i++
			out = append(out, sqlToken{'s', b.String()})
		case c == '"':
			end := i + 1
			for end < len(s) && (s[end] != '"' || end+1 < len(s) && s[end+1] == '"') {
				if s[end] == '"' {
					end++
				}
				end++
			}
			out = append(out, sqlToken{'q', strings.ReplaceAll(s[i+1:end], `""`, `"`)})
			i = end + 1
		case isDigit(c) || c == '.' && i+1 < len(s) && isDigit(s[i+1]):
			for i < len(s) && (isDigit(s[i]) || s[i] == '.' || (s[i] == 'e' || s[i] == 'E') && i+1 < len(s) && (isDigit(s[i+1]) || strings.IndexByte("+-", s[i+1]) >= 0 && i+2 < len(s) && isDigit(s[i+2])) || strings.IndexByte("+-", s[i]) >= 0 && (s[i-1] == 'e' || s[i-1] == 'E')) {
				i++
			}
			out = append(out, sqlToken{'n', s[start:i]})
		case isAlpha(c) || c == '_' || c == '$':
			for i < len(s) && (isAlpha(s[i]) || isDigit(s[i]) || s[i] == '_' || s[i] == '$') {
				i++
			}
			out = append(out, sqlToken{'i', strings.ToLower(s[start:i])})
		case strings.IndexByte("()[],.", c) >= 0:
			i++
			out = append(out, sqlToken{'o', string(c)})
		case c == ':':
			i++
			if i < len(s) && s[i] == ':' {
				i++
			}
			out = append(out, sqlToken{'o', s[start:i]})
		default:
			for i < len(s) && strings.IndexByte("+-*/<>=~!@#%^&|`?", s[i]) >= 0 {
				i++
			}
			// A trailing + or - ends an operator, as PostgreSQL's scanner has it.
			for i-start > 1 && strings.IndexByte("+-", s[i-1]) >= 0 && !strings.ContainsAny(s[start:i], "~!@#%^&|`?") {
				i--
			}
			if i == start {
				panic(sqlFailure{fmt.Errorf("test reader: character %q", c)})
			}
			out = append(out, sqlToken{'o', s[start:i]})
		}
	}
	return out
}

func (r *sqlReader) peek() sqlToken {
	if r.at < len(r.tokens) {
		return r.tokens[r.at]
	}
	return sqlToken{}
}

func (r *sqlReader) next() sqlToken { t := r.peek(); r.at++; return t }

// word takes the words if they come next.
func (r *sqlReader) word(words ...string) bool {
	for i, w := range words {
		if r.at+i >= len(r.tokens) || r.tokens[r.at+i].kind != 'i' || r.tokens[r.at+i].text != w {
			return false
		}
	}
	r.at += len(words)
	return true
}

func (r *sqlReader) op(text string) bool {
	if t := r.peek(); t.kind == 'o' && t.text == text {
		r.at++
		return true
	}
	return false
}

func (r *sqlReader) need(text string) {
	if !r.op(text) && !r.word(text) {
		panic(sqlFailure{fmt.Errorf("test reader: %q wanted before %q", text, r.peek().text)})
	}
}

func must(e fqgw.Expr, err error) fqgw.Expr {
	if err != nil {
		panic(sqlFailure{err})
	}
	return e
}

// The precedences of PostgreSQL's grammar.
const (
	precOr = iota + 1
	precAnd
	precNot
	precIs
	precCompare
	precIn
	precOther
	precAdd
	precMul
	precPow
	precAt
	precUnary
)

func opPrec(op string) int {
	switch op {
	case "=", "<", ">", "<=", ">=", "<>", "!=":
		return precCompare
	case "+", "-":
		return precAdd
	case "*", "/", "%":
		return precMul
	case "^":
		return precPow
	}
	return precOther
}

func (r *sqlReader) expr(min int) fqgw.Expr {
	left := r.prefix()
	for {
		t := r.peek()
		switch {
		case t.kind == 'o' && strings.Trim(t.text, "+-*/<>=~!@#%^&|`?") == "":
			p := opPrec(t.text)
			if p <= min {
				return left
			}
			r.next()
			if all := r.word("all"); all || r.word("any") {
				r.need("(")
				left = must(AnyAll(t.text, left, r.expr(0), all))
				r.need(")")
				continue
			}
			right := r.expr(p)
			l, lrow := left.(*RowExpr)
			if rr, ok := right.(*RowExpr); ok && lrow {
				left = must(RowCompare(t.text, l.Args, rr.Args))
			} else {
				left = must(Op(t.text, left, right))
			}
		case t.kind == 'i':
			e, ok := r.wordOperator(left, min)
			if !ok {
				return left
			}
			left = e
		default:
			return left
		}
	}
}

// wordOperator reads AND, IS NULL, IN and the like.
func (r *sqlReader) wordOperator(left fqgw.Expr, min int) (fqgw.Expr, bool) {
	start := r.at
	not := r.peek().text == "not"
	if not {
		r.next()
	}
	word := r.next().text
	back := func() (fqgw.Expr, bool) { r.at = start; return nil, false }
	switch {
	case word == "or" && min < precOr:
		return must(Or(left, r.expr(precOr))), true
	case word == "and" && min < precAnd:
		return must(And(left, r.expr(precAnd))), true
	case word == "is" && min < precIs:
		not := r.word("not")
		kinds := map[string]BoolTestKind{"true": IsTrue, "false": IsFalse, "unknown": IsUnknown}
		switch w := r.next().text; w {
		case "null":
			return must(IsNull(left, not)), true
		case "distinct":
			r.need("from")
			return must(IsDistinct(left, r.expr(precIs), not)), true
		default:
			k := kinds[w]
			if not {
				k++
			}
			return must(BoolTest(left, k)), true
		}
	case min >= precIn:
		if word == "at" && min < precAt {
			r.need("time")
			r.need("zone")
			return must(Func("timezone", []fqgw.Expr{r.expr(precAt), left})), true
		}
		return back()
	case word == "in":
		r.need("(")
		return must(InList(left, r.list(")"), not)), true
	case word == "between":
		symmetric := r.word("symmetric")
		lo := r.expr(precIn)
		r.need("and")
		return must(Between(left, lo, r.expr(precIn), symmetric, not)), true
	case word == "like" || word == "ilike":
		op := map[string]string{"like": "~~", "ilike": "~~*"}[word]
		if not {
			op = "!" + op
		}
		if r.word("any") {
			r.need("(")
			e := must(AnyAll(op, left, r.expr(0), false))
			r.need(")")
			return e, true
		}
		right := r.expr(precIn)
		if r.word("escape") {
			right = must(Func("like_escape", []fqgw.Expr{right, r.expr(precIn)}))
		}
		return must(Op(op, left, right)), true
	case word == "at":
		r.need("time")
		r.need("zone")
		return must(Func("timezone", []fqgw.Expr{r.expr(precAt), left})), true
	}
	return back()
}

func (r *sqlReader) list(end string) (out []fqgw.Expr) {
	if r.op(end) {
		return nil
	}
	for {
		out = append(out, r.expr(0))
		if r.op(end) {
			return out
		}
		r.need(",")
	}
}

// items are those of ARRAY[…]; [ … ] alone is a nested one.
func (r *sqlReader) items() (out []fqgw.Expr) {
	for !r.op("]") {
		if r.op("[") {
			out = append(out, must(Array(r.items())))
		} else {
			out = append(out, r.expr(0))
		}
		r.op(",")
	}
	return out
}

func (r *sqlReader) prefix() fqgw.Expr {
	t := r.next()
	var e fqgw.Expr
	switch {
	case t.kind == 'o' && t.text == "(":
		e = r.expr(0)
		r.need(")")
	case t.kind == 'o' && (t.text == "-" || t.text == "+"):
		if n := r.peek(); t.text == "-" && n.kind == 'n' && (r.at+1 == len(r.tokens) || r.tokens[r.at+1].text != "::") {
			r.next()
			return numberLiteral("-" + n.text)
		}
		return must(Op(t.text, nil, r.expr(precUnary)))
	case t.kind == 'o' && strings.Trim(t.text, "~!@#%^&|/") == "":
		return must(Op(t.text, nil, r.expr(precOther)))
	case t.kind == 's':
		e = &Const{Val: fqgw.TextValue(t.text), Typ: fqgw.Unknown}
	case t.kind == 'n':
		e = numberLiteral(t.text)
	case t.kind == 'q':
		if r.peek().text == "(" {
			e = r.call(t.text)
		} else {
			e = r.column(t.text)
		}
	case t.kind == 'i':
		if t.text == "not" {
			return must(Not(r.expr(precNot)))
		}
		e = r.named(t.text)
	default:
		panic(sqlFailure{fmt.Errorf("test reader: %q", t.text)})
	}
	return r.suffix(e)
}

func numberLiteral(s string) fqgw.Expr {
	for _, t := range []fqgw.Type{fqgw.Int4, fqgw.Int8, fqgw.Numeric} {
		if v, err := Parse(s, t, nil); err == nil {
			return &Const{Val: v, Typ: t}
		}
	}
	panic(sqlFailure{fmt.Errorf("test reader: number %q", s)})
}

func (r *sqlReader) suffix(e fqgw.Expr) fqgw.Expr {
	for {
		switch {
		case r.op("::"):
			e = r.cast(e, r.typ())
		case r.op("["):
			var b Bounds
			if r.peek().text != ":" {
				b.Lo = r.expr(0)
			}
			if b.Slice = r.op(":"); b.Slice && r.peek().text != "]" {
				b.Hi = r.expr(0)
			}
			r.need("]")
			if s, ok := e.(*SubscriptExpr); ok {
				e = must(Subscript(s.Arg, append(append([]Bounds(nil), s.Indexes...), b)...))
			} else {
				e = must(Subscript(e, b))
			}
		default:
			return e
		}
	}
}

// sqlArray is ARRAY[…] whose element type waits for a cast.
type sqlArray struct {
	fqgw.Expr
	items []fqgw.Expr
}

func (r *sqlReader) cast(e fqgw.Expr, t fqgw.Type) fqgw.Expr {
	if a, ok := e.(*sqlArray); ok && !t.IsArray() {
		e = must(Array(a.items))
	} else if ok {
		return must(ArrayOf(a.items, t.Elem()))
	}
	return must(Cast(e, t, Explicit))
}

func (r *sqlReader) named(word string) fqgw.Expr {
	switch word {
	case "null":
		return &Const{Typ: fqgw.Unknown}
	case "true", "false":
		return &Const{Val: fqgw.BoolValue(word == "true"), Typ: fqgw.Bool}
	case "case":
		return r.caseExpr()
	case "array":
		r.need("[")
		items := r.items()
		if r.peek().text == "::" {
			return &sqlArray{items: items}
		}
		return must(Array(items))
	case "row":
		r.need("(")
		return must(Row(r.list(")")))
	case "cast":
		r.need("(")
		e := r.expr(0)
		r.need("as")
		t := r.typ()
		r.need(")")
		return r.cast(e, t)
	case "extract":
		r.need("(")
		field := r.next().text
		r.need("from")
		e := r.expr(0)
		r.need(")")
		return must(Func("extract", []fqgw.Expr{&Const{Val: fqgw.TextValue(field), Typ: fqgw.Unknown}, e}))
	case "interval", "date", "timestamp", "timestamptz", "time":
		if t := r.peek(); t.kind == 's' {
			r.next()
			typ, _ := typeBySQL(word)
			return must(Cast(&Const{Val: fqgw.TextValue(t.text), Typ: fqgw.Unknown}, typ, Explicit))
		}
	}
	if r.peek().text == "(" {
		return r.call(word)
	}
	if isKeywordFunction(word) {
		return must(Func(word, nil))
	}
	return r.column(word)
}

func (r *sqlReader) call(name string) fqgw.Expr {
	r.need("(")
	spread := false
	var args []fqgw.Expr
	for !r.op(")") {
		spread = r.word("variadic")
		args = append(args, r.expr(0))
		if !r.op(",") && r.peek().text != ")" {
			panic(sqlFailure{fmt.Errorf("test reader: %q in arguments", r.peek().text)})
		}
	}
	switch name {
	case "trim":
		name = "btrim"
	case "coalesce":
		return must(Coalesce(args))
	case "nullif":
		return must(NullIf(args[0], args[1]))
	case "greatest":
		return must(Greatest(args))
	case "least":
		return must(Least(args))
	}
	if spread {
		return must(FuncVariadic(name, args))
	}
	return must(Func(name, args))
}

func (r *sqlReader) caseExpr() fqgw.Expr {
	var arg, els fqgw.Expr
	if r.peek().text != "when" {
		arg = r.expr(0)
	}
	var whens []When
	for r.word("when") {
		c := r.expr(0)
		r.need("then")
		whens = append(whens, When{c, r.expr(0)})
	}
	if r.word("else") {
		els = r.expr(0)
	}
	r.need("end")
	return must(Case(arg, whens, els))
}

func (r *sqlReader) column(name string) fqgw.Expr {
	for i, c := range r.cols {
		if c.Name == name {
			return &Column{Index: i, Typ: c.Type, Name: name}
		}
	}
	panic(sqlFailure{fqgw.Errorf(fqgw.CodeUndefinedColumn, "column \"%s\" does not exist", name)})
}

// typ reads a type's name with its modifier.
func (r *sqlReader) typ() fqgw.Type {
	t := r.next()
	name := t.text
	if t.kind == 'q' {
		name = `"` + name + `"`
	}
	for _, more := range []string{"precision", "varying"} {
		if r.word(more) {
			name += " " + more
		}
	}
	var mods []int
	if r.op("(") {
		for !r.op(")") {
			minus := r.op("-")
			n := atoi(r.next().text)
			if minus {
				n = -n
			}
			mods = append(mods, n)
			r.op(",")
		}
	}
	if name == "interval" {
		for r.peek().text == "to" || len(r.peek().text) > 2 && spanUnits[r.peek().text] != "" {
			name += " " + r.next().text
		}
	}
	if r.word("with", "time", "zone") {
		name += " with time zone"
	} else if r.word("without", "time", "zone") {
		name += " without time zone"
	}
	out, ok := typeBySQL(name)
	if !ok {
		panic(sqlFailure{fqgw.Errorf(fqgw.CodeUndefinedObject, "type \"%s\" does not exist", name)})
	}
	switch {
	case len(mods) == 0:
	case out == fqgw.Numeric:
		out = fqgw.NumericOf(mods[0], append(mods, 0)[1])
	case out == fqgw.Varchar || out == fqgw.BPChar:
		out.Mod = int32(mods[0]) + 4
	case out == fqgw.Interval:
		out.Mod = fieldsAll<<16 | int32(mods[0])
	default:
		out.Mod = int32(mods[0])
	}
	if len(mods) == 0 && (name == "char" || name == "character") {
		out.Mod = 5
	}
	for r.op("[") {
		r.need("]")
		out = out.Array()
	}
	return out
}
