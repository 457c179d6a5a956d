package parse

import pg "github.com/pganalyze/pg_query_go/v6"

// expression is the token behind the expression at i: operands joined by
// operators. It ends at AS or at a word that cannot continue it.
func (r *rewriting) expression(i int) (int, error) {
	for {
		for r.kind(i) == pg.Token_ASCII_43 || r.kind(i) == pg.Token_ASCII_45 {
			i++
		}
		j := r.operand(i)
		if j == i {
			return 0, r.syntaxAt(i)
		}
		i = r.suffixes(j)
		switch r.kind(i) {
		case pg.Token_ASCII_43, pg.Token_ASCII_45, pg.Token_ASCII_42, pg.Token_ASCII_47, pg.Token_ASCII_37, pg.Token_ASCII_94, pg.Token_Op:
			i++
		default:
			return i, nil
		}
	}
}

// operand is the token behind the operand at i, i when there is none.
func (r *rewriting) operand(i int) int {
	switch r.kind(i) {
	case pg.Token_SCONST, pg.Token_USCONST, pg.Token_ICONST, pg.Token_FCONST, pg.Token_BCONST, pg.Token_XCONST, pg.Token_PARAM,
		pg.Token_TRUE_P, pg.Token_FALSE_P, pg.Token_NULL_P, pg.Token_CURRENT_DATE:
		return i + 1
	case pg.Token_CURRENT_TIMESTAMP, pg.Token_LOCALTIMESTAMP, pg.Token_CURRENT_TIME, pg.Token_LOCALTIME:
		if r.kind(i+1) == pg.Token_ASCII_40 {
			return r.closing(i+1) + 1
		}
		return i + 1
	case pg.Token_ASCII_40:
		return r.closing(i) + 1
	case pg.Token_CASE:
		return r.caseEnd(i)
	case pg.Token_CAST:
		if r.kind(i+1) == pg.Token_ASCII_40 {
			return r.closing(i+1) + 1
		}
		return i
	}
	if j := r.literal(i); j > i {
		return j
	}
	if i >= len(r.toks) || !r.nameFollows(i) && r.toks[i].word != pg.KeywordKind_TYPE_FUNC_NAME_KEYWORD {
		return i
	}
	named := r.toks[i].word != pg.KeywordKind_TYPE_FUNC_NAME_KEYWORD // those are functions only
	for i++; r.kind(i) == pg.Token_ASCII_46 && i+1 < len(r.toks); i += 2 {
		named = true
	}
	switch {
	case r.kind(i) == pg.Token_ASCII_40:
		return r.closing(i) + 1
	case r.kind(i) == pg.Token_SCONST: // type 'literal'
		return i + 1
	case !named:
		return i - 1
	}
	return i
}

// caseEnd is the token behind the END of the CASE at i.
func (r *rewriting) caseEnd(i int) int {
	n := 0
	for j := i; j < len(r.toks); j++ {
		switch r.kind(j) {
		case pg.Token_CASE:
			n++
		case pg.Token_END_P:
			if n--; n == 0 {
				return j + 1
			}
		case pg.Token_ASCII_59:
			return i
		}
	}
	return i
}

// literal is the token behind a TIMESTAMP, TIME or INTERVAL literal at i, i when there is none.
func (r *rewriting) literal(i int) int {
	j := i + 1
	switch r.kind(i) {
	case pg.Token_TIMESTAMP, pg.Token_TIME:
		j = r.zone(r.precision(j))
		if r.kind(j) != pg.Token_SCONST {
			return i
		}
		return j + 1
	case pg.Token_INTERVAL:
		j = r.precision(j)
		if r.kind(j) != pg.Token_SCONST {
			return i
		}
		for j++; ; j++ {
			switch r.kind(j) {
			case pg.Token_YEAR_P, pg.Token_MONTH_P, pg.Token_DAY_P, pg.Token_HOUR_P, pg.Token_MINUTE_P, pg.Token_SECOND_P:
				if r.kind(j+1) != pg.Token_TO {
					return r.precision(j + 1)
				}
				j++
				continue
			}
			return j
		}
	}
	return i
}

// typedLiteral says whether the TIMESTAMP at i is the type of a literal.
func (r *rewriting) typedLiteral(i int) bool { return r.literal(i) > i }

// operandAfterWord tells `AS OF TIMESTAMP expr` from a column called timestamp
// and its alias.
func (r *rewriting) operandAfterWord(i int) bool {
	switch r.kind(i) {
	case pg.Token_ASCII_40, pg.Token_PARAM, pg.Token_CURRENT_TIMESTAMP, pg.Token_LOCALTIMESTAMP, pg.Token_CURRENT_DATE:
		return true
	}
	if !r.nameFollows(i) {
		return false
	}
	return r.kind(i+1) == pg.Token_ASCII_46 || r.kind(i+1) == pg.Token_ASCII_40
}

// precision is the token behind a bracketed number at i, i when there is none.
func (r *rewriting) precision(i int) int {
	if r.kind(i) == pg.Token_ASCII_40 && r.kind(i+1) == pg.Token_ICONST {
		return r.closing(i) + 1
	}
	return i
}

// zone is the token behind WITH|WITHOUT TIME ZONE at i, i when there is none.
func (r *rewriting) zone(i int) int {
	switch r.kind(i) {
	case pg.Token_WITH, pg.Token_WITHOUT, pg.Token_WITH_LA, pg.Token_WITHOUT_LA:
		if r.kind(i+1) == pg.Token_TIME && r.kind(i+2) == pg.Token_ZONE {
			return i + 3
		}
	}
	return i
}

// suffixes is the token behind casts, subscripts, fields and AT TIME ZONE at i.
func (r *rewriting) suffixes(i int) int {
	for {
		switch r.kind(i) {
		case pg.Token_TYPECAST:
			i = r.typeName(i + 1)
		case pg.Token_ASCII_91:
			i = r.closing(i) + 1
		case pg.Token_ASCII_46:
			i = min(i+2, len(r.toks))
		case pg.Token_COLLATE:
			i = min(i+2, len(r.toks))
		case pg.Token_AT:
			switch {
			case r.kind(i+1) == pg.Token_LOCAL:
				i += 2
			case r.kind(i+1) == pg.Token_TIME && r.kind(i+2) == pg.Token_ZONE:
				j := r.operand(i + 3)
				if j == i+3 {
					return i
				}
				i = j
			default:
				return i
			}
		default:
			return i
		}
	}
}

// typeName is the token behind the type at i.
func (r *rewriting) typeName(i int) int {
	k := r.kind(i)
	for i++; r.kind(i) == pg.Token_ASCII_46; i += 2 {
	}
	switch {
	case k == pg.Token_DOUBLE_P && r.kind(i) == pg.Token_PRECISION, r.kind(i) == pg.Token_VARYING:
		i++
	}
	if r.kind(i) == pg.Token_ASCII_40 {
		i = r.closing(i) + 1
	}
	if k == pg.Token_TIMESTAMP || k == pg.Token_TIME {
		i = r.zone(i)
	}
	return min(i, len(r.toks))
}
