//go:build cgo

package parse

import (
	"errors"

	pg "github.com/pganalyze/pg_query_go/v6"
	"github.com/pganalyze/pg_query_go/v6/parser"
)

// pgParse and pgScan are PostgreSQL's own parser and scanner, in C; pgDeparse is the
// way back from a tree to its text.
var pgParse, pgScan, pgDeparse = pg.Parse, pg.Scan, pg.Deparse

// parserError gives the message and the 1-based character (0: none) of an
// error that the parser raised.
func parserError(err error) (message string, cursor int, ok bool) {
	var e *parser.Error
	if !errors.As(err, &e) {
		return "", 0, false
	}
	return e.Message, e.Cursorpos, true
}
