package parse

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

// level is one bracket level while AS OF is looked for.
type level struct {
	kind   levelKind
	clause clause
	sole   int // the token behind the only relation in FROM, 0 when there is none or more
}

type levelKind uint8

const (
	inner levelKind = iota // an expression, a column list, arguments
	query                  // a statement or a subquery
	group                  // a bracket around joined relations
)

type clause uint8

const (
	list      clause = iota // before FROM
	relations               // in FROM, where a relation may stand
	condition               // in FROM, behind ON or USING
	rest                    // behind FROM
)

// asOf finds every AS OF and rewrites it.
func (r *rewriting) asOf() error {
	levels := []level{{kind: query}}
	var closed levelKind // what the last bracket closed
	for i := 0; i < len(r.toks); i++ {
		l := &levels[len(levels)-1]
		switch k := r.kind(i); k {
		case pg.Token_ASCII_59:
			levels = append(levels[:0], level{kind: query})
		case pg.Token_ASCII_40, pg.Token_ASCII_91:
			levels = append(levels, r.opened(i, l))
		case pg.Token_ASCII_41, pg.Token_ASCII_93:
			closed = l.kind
			if len(levels) > 1 {
				levels = levels[:len(levels)-1]
			}
		case pg.Token_SELECT, pg.Token_UNION, pg.Token_INTERSECT, pg.Token_EXCEPT:
			*l = level{kind: query}
		case pg.Token_FROM:
			if l.kind != inner && !r.distinctFrom(i) {
				l.clause, l.sole = relations, r.soleRelation(i+1)
			}
		case pg.Token_JOIN, pg.Token_ASCII_44:
			if l.clause == condition {
				l.clause = relations
			}
		case pg.Token_ON, pg.Token_USING:
			if l.clause == relations {
				l.clause = condition
			}
		case pg.Token_WHERE, pg.Token_GROUP_P, pg.Token_HAVING, pg.Token_WINDOW, pg.Token_ORDER, pg.Token_LIMIT,
			pg.Token_OFFSET, pg.Token_FETCH:
			if l.clause != list {
				l.clause = rest
			}
		case pg.Token_FOR, pg.Token_TIMESTAMP, pg.Token_AS, pg.Token_AT, pg.Token_IDENT, pg.Token_VERSION_P:
			if l.kind == inner || l.clause == list {
				break
			}
			if r.asofJoin(i) && l.clause != rest {
				return r.errorAt(i, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "ASOF JOIN is not supported").
					WithHint("Write JOIN view AS OF spine.time_column AS v ON v.key = spine.key."))
			}
			next, err := r.temporal(i, l, closed, len(levels))
			if err != nil {
				return err
			}
			if next == i && k == pg.Token_FOR {
				l.clause = rest
			}
			if next > i {
				i = next - 1
			}
		}
	}
	return nil
}

// opened is the level that the bracket at i opens inside l.
func (r *rewriting) opened(i int, l *level) level {
	switch r.kind(i + 1) {
	case pg.Token_SELECT, pg.Token_WITH, pg.Token_VALUES, pg.Token_TABLE:
		return level{kind: query}
	}
	if r.kind(i) == pg.Token_ASCII_40 && l.kind != inner && l.clause == relations {
		switch r.kind(i - 1) {
		case pg.Token_FROM, pg.Token_JOIN, pg.Token_ASCII_44, pg.Token_LATERAL_P, pg.Token_ASCII_40:
			return level{kind: group, clause: relations}
		}
	}
	if r.kind(i) == pg.Token_ASCII_40 && l.kind == group && r.kind(i-1) == pg.Token_ASCII_40 {
		return level{kind: group, clause: relations}
	}
	return level{kind: inner}
}

// distinctFrom says whether the FROM at i belongs to IS [NOT] DISTINCT FROM.
func (r *rewriting) distinctFrom(i int) bool {
	return r.kind(i-1) == pg.Token_DISTINCT &&
		(r.kind(i-2) == pg.Token_IS || r.kind(i-2) == pg.Token_NOT && r.kind(i-3) == pg.Token_IS)
}

// asofJoin says whether `t ASOF JOIN u` stands at i, which PostgreSQL would
// read as an alias and an inner join.
func (r *rewriting) asofJoin(i int) bool {
	if !r.is(i, "asof") || r.kind(i-1) == pg.Token_AS {
		return false
	}
	switch r.kind(i + 1) {
	case pg.Token_JOIN:
		return true
	case pg.Token_LEFT, pg.Token_INNER_P, pg.Token_RIGHT, pg.Token_FULL:
		return r.kind(i+2) == pg.Token_JOIN || r.kind(i+3) == pg.Token_JOIN
	}
	return false
}

// temporal rewrites the AS OF clause, in any of its spellings, that begins at
// token i. It returns where to go on: i when no clause begins there; else
// behind the clause's own words, so that brackets in its expressions are seen.
func (r *rewriting) temporal(i int, l *level, closed levelKind, depth int) (int, error) {
	c := l.clause
	words := 0 // tokens of the spelling
	paren := false
	switch {
	case r.kind(i) == pg.Token_AS && r.kind(i+1) == pg.Token_OF:
		words = 2
		if c != rest && r.endsRelation(i+2) {
			return i + 2, nil // an alias called of
		}
		if r.is(i+2, "system") && r.is(i+3, "time") {
			words = 4
		} else if r.kind(i+2) == pg.Token_TIMESTAMP && !r.typedLiteral(i+2) && r.operandAfterWord(i+3) {
			words = 3
		}
	case r.kind(i) == pg.Token_FOR && r.timeWord(i+1) && r.kind(i+2) == pg.Token_AS && r.kind(i+3) == pg.Token_OF:
		words = 4
	case r.timeWord(i) && c == relations && r.afterRelation(i) && r.kind(i+1) == pg.Token_AS && r.kind(i+2) == pg.Token_OF &&
		!r.endsRelation(i+3):
		words = 3
	case r.kind(i) == pg.Token_AT && r.kind(i+1) == pg.Token_ASCII_40 && r.timeWord(i+2) &&
		r.kind(i+3) == pg.Token_EQUALS_GREATER && c == relations:
		words, paren = 4, true
	default:
		return i, nil
	}
	if word := r.versionWord(i, words); word >= 0 {
		return 0, r.errorAt(word, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "AS OF a version is not supported").
			WithHint("Write AS OF and a time."))
	}
	if c == relations && r.kind(i-1) == pg.Token_ASCII_41 && closed == query {
		return 0, r.errorAt(i, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "AS OF applies to a named relation, not to a subquery").
			WithHint("Write AS OF inside the subquery, behind the relation's name."))
	}
	e, err := r.expression(i + words)
	if err != nil {
		return 0, err
	}
	times := []chunk{r.chunk(i+words, e)}
	end := e
	if paren {
		if r.kind(e) != pg.Token_ASCII_41 {
			return 0, r.syntaxAt(e)
		}
		end++
	}
	if r.is(end, "known") && r.kind(end+1) == pg.Token_AT {
		k, err := r.expression(end + 2)
		if err != nil {
			return 0, err
		}
		times = append(times, chunk{text: ", ", from: r.toks[end].start, to: r.toks[end+1].end}, r.chunk(end+2, k))
		end = k
	}
	if c != relations {
		return i + words, r.tail(i, end, depth, l.sole, times)
	}
	next := i + words
	var moved []chunk
	if alias := r.alias(end); alias > end {
		moved = []chunk{r.chunk(end, alias)}
		if r.kind(end) == pg.Token_AS && r.kind(end+1) == pg.Token_OF {
			next = alias // not another clause
		}
		end = alias
	}
	r.edits = append(r.edits, r.sample(r.toks[i].start, r.toks[end-1].end, r.toks[i].start, r.toks[i+words-1].end, moved, times))
	return next, nil
}

// sample is the edit that puts an alias and TABLESAMPLE __fq_asof(times) at
// [from, to); the made words stand for [in, end) of the original.
func (r *rewriting) sample(from, to, in, end int, alias, times []chunk) edit {
	chunks := append(alias, chunk{" TABLESAMPLE " + AsOfMethod + "(", in, end})
	chunks = append(append(chunks, times...), chunk{")", in, end})
	return edit{from, to, chunks}
}

// soleRelation is the token behind the relation (with its alias) at i when
// nothing but it is in FROM, else 0.
func (r *rewriting) soleRelation(i int) int {
	if !r.nameFollows(i) {
		return 0
	}
	for i++; r.kind(i) == pg.Token_ASCII_46; i += 2 {
	}
	if r.kind(i) == pg.Token_ASCII_40 || i > len(r.toks) { // a function
		return 0
	}
	i = r.alias(i)
	switch r.kind(i) {
	case pg.Token_ASCII_41, pg.Token_WHERE, pg.Token_GROUP_P, pg.Token_HAVING, pg.Token_WINDOW, pg.Token_ORDER, pg.Token_LIMIT,
		pg.Token_OFFSET, pg.Token_FETCH:
		return i
	}
	return 0
}

// tail cuts an AS OF that stands behind FROM's relations: it is the whole
// statement's, and COPY (…) TO has its statement in brackets. In a subquery it
// goes to the only relation there.
func (r *rewriting) tail(i, end, depth, sole int, times []chunk) error {
	whole := depth == 1 || depth == 2 && r.inCopy(i)
	if !whole && sole == 0 {
		return r.errorAt(i, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "AS OF at the end of a subquery of several relations is not supported").
			WithHint("Write AS OF behind the relation's name, or at the end of the whole statement."))
	}
	switch r.kind(end) {
	case pg.Token_NUL, pg.Token_ASCII_59, pg.Token_ASCII_41, pg.Token_WHERE, pg.Token_GROUP_P, pg.Token_HAVING, pg.Token_WINDOW,
		pg.Token_ORDER, pg.Token_LIMIT, pg.Token_OFFSET, pg.Token_FETCH, pg.Token_FOR, pg.Token_WITH, pg.Token_RETURNING:
	default:
		return r.syntaxAt(end)
	}
	r.replace(i, end, " ")
	if !whole {
		r.edits = append(r.edits, r.sample(r.toks[sole-1].end, r.toks[sole-1].end, r.toks[i].start, r.toks[i+1].end, nil, times))
		return nil
	}
	r.tails = append(r.tails, tail{at: r.toks[i].start, e: times})
	return nil
}

// inCopy says whether token i is in a statement that begins with COPY (.
func (r *rewriting) inCopy(i int) bool {
	for i > 0 && r.kind(i-1) != pg.Token_ASCII_59 {
		i--
	}
	return r.kind(i) == pg.Token_COPY && r.kind(i+1) == pg.Token_ASCII_40
}

// versionWord is the token of the clause that asks for a version, -1 for none.
func (r *rewriting) versionWord(i, words int) int {
	for j := i; j < i+words; j++ {
		if r.is(j, "version") || r.is(j, "system_version") {
			return j
		}
	}
	return -1
}

// timeWord says whether token i is TIMESTAMP or one of its synonyms before AS OF.
func (r *rewriting) timeWord(i int) bool {
	return r.kind(i) == pg.Token_TIMESTAMP || r.is(i, "system_time") || r.is(i, "version") || r.is(i, "system_version")
}

// chunk copies the tokens [i, j).
func (r *rewriting) chunk(i, j int) chunk {
	return chunk{from: r.toks[i].start, to: r.toks[j-1].end}
}

// endsRelation says whether token i cannot begin an expression, so that the AS
// OF before it was an alias.
func (r *rewriting) endsRelation(i int) bool {
	switch r.kind(i) {
	case pg.Token_LEFT, pg.Token_RIGHT:
		return r.kind(i+1) != pg.Token_ASCII_40
	case pg.Token_NUL, pg.Token_ASCII_44, pg.Token_ASCII_41, pg.Token_ASCII_59, pg.Token_JOIN, pg.Token_FULL, pg.Token_INNER_P,
		pg.Token_CROSS, pg.Token_NATURAL, pg.Token_ON, pg.Token_USING, pg.Token_WHERE, pg.Token_GROUP_P, pg.Token_HAVING,
		pg.Token_WINDOW, pg.Token_ORDER, pg.Token_LIMIT, pg.Token_OFFSET, pg.Token_FETCH, pg.Token_FOR, pg.Token_UNION,
		pg.Token_INTERSECT, pg.Token_EXCEPT, pg.Token_SET, pg.Token_RETURNING, pg.Token_TABLESAMPLE, pg.Token_AS, pg.Token_WITH:
		return true
	}
	return false
}

// afterRelation says whether the token before i can end a relation's name or alias.
func (r *rewriting) afterRelation(i int) bool {
	switch r.kind(i - 1) {
	case pg.Token_FROM, pg.Token_JOIN, pg.Token_ASCII_44, pg.Token_AS, pg.Token_ASCII_40, pg.Token_ASCII_46, pg.Token_LATERAL_P, pg.Token_ONLY:
		return false
	}
	return true
}

// alias is the token behind an alias (with or without AS, with its column
// list) at i, or i when there is none.
func (r *rewriting) alias(i int) int {
	j := i
	if r.kind(j) == pg.Token_AS {
		j++
	}
	if !r.nameFollows(j) {
		return i
	}
	j++
	if r.kind(j) == pg.Token_ASCII_40 {
		j = r.closing(j) + 1
	}
	return j
}
