//go:build !cgo

package parse

import (
	"errors"

	pg "github.com/pganalyze/pg_query_go/v6"
	wasm "github.com/wasilibs/go-pgquery"
	"github.com/wasilibs/go-pgquery/parser"

	"github.com/fqgw/fqgw"
)

// pgParse and pgScan are the same parser compiled to WebAssembly. The library
// makes one more instance (1.5 s, 250 MB) for every caller that comes while all
// are busy, so callers take turns. An instance panics where the C library would
// overflow the stack; the guard refuses such texts before.
func pgParse(sql string) (*pg.ParseResult, error) { return oneByOne(wasm.Parse, sql) }

func pgScan(sql string) (*pg.ScanResult, error) { return oneByOne(wasm.Scan, sql) }

func pgDeparse(tree *pg.ParseResult) (string, error) { return oneByOne(wasm.Deparse, tree) }

var turn = make(chan struct{}, 1)

func oneByOne[A, R any](f func(A) (R, error), arg A) (res R, err error) {
	turn <- struct{}{}
	defer func() {
		if p := recover(); p != nil {
			err = fqgw.Errorf(fqgw.CodeTooComplex, "statement is too complex")
		}
		<-turn
	}()
	return f(arg)
}

// parserError gives the message and the 1-based character (0: none) of an
// error that the parser raised.
func parserError(err error) (message string, cursor int, ok bool) {
	var e *parser.Error
	if !errors.As(err, &e) {
		return "", 0, false
	}
	return e.Message, e.Cursorpos, true
}
