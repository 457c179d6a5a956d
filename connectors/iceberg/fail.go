package iceberg

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"
	"github.com/apache/iceberg-go/table"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fqgw/fqgw"
)

// fail makes an error of the lake one that a client may see: a file that is not there
// is 58P01, a server that cannot be reached or is busy 08006, refused credentials are
// 28000 or 42501, and all else is 58030. Those that are an fqgw.Error or the end of a
// context stay.
func fail(err error) error {
	var known *fqgw.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "database or disk is full") {
		return fqgw.Errorf(fqgw.CodeDiskFull, "lake: no space left on device: %w", err)
	}
	if lost(err) {
		return fqgw.Errorf(fqgw.CodeSerialization, "lake: others wrote to the table at the same time: %w", err).
			WithHint("It can be tried again.")
	}
	if out := ofServer(err); out != nil {
		return out
	}
	out := fqgw.Errorf(fqgw.CodeIO, "lake: %w", err)
	if strings.Contains(err.Error(), "SQLITE_BUSY") {
		out = out.WithHint("Another program holds the lake's catalog (lake.db). It can be tried again.")
	}
	if errors.Is(err, fs.ErrNotExist) {
		out.Code = codeNoFile
		out = out.WithHint("Another program may have removed it, as an expiry of snapshots does: then it can be tried again. " +
			"The lake's files hold absolute paths: a data directory that was moved must go back to its place.")
	}
	return out
}

const (
	codeNoFile  fqgw.Code = "58P01"
	codeRefused fqgw.Code = "28000"
	codeNotMay  fqgw.Code = "42501"
	codeUnknown fqgw.Code = "08007" // whether a commit was carried out
)

const hintAgain = "The catalog of the lake does not answer, or is busy; the statement can be tried again."

// ofServer is the error of a catalog on a server; nil for another.
func ofServer(err error) *fqgw.Error {
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var web *url.Error
	var op *net.OpError
	switch {
	case errors.As(err, &pg):
		switch pg.Code[:2] {
		case "28":
			return fqgw.Errorf(codeRefused, "lake: the catalog refuses the user: %w", err)
		case "53", "57", "08", "40":
			return fqgw.Errorf(fqgw.CodeConnectionFailure, "lake: the catalog cannot answer now: %w", err).WithHint(hintAgain)
		case "42":
			if pg.Code == "42501" {
				return fqgw.Errorf(codeNotMay, "lake: the catalog does not allow it: %w", err)
			}
		}
		return nil
	case errors.Is(err, rest.ErrUnauthorized), errors.Is(err, rest.ErrAuthorizationExpired),
		errors.Is(err, rest.ErrOAuthError) && !errors.As(err, &op):
		return fqgw.Errorf(codeRefused, "lake: the catalog refuses the credentials: %w", err)
	case errors.Is(err, rest.ErrForbidden):
		return fqgw.Errorf(codeNotMay, "lake: the catalog does not allow it: %w", err)
	case errors.Is(err, rest.ErrServerError), errors.Is(err, rest.ErrServiceUnavailable), errors.Is(err, rest.ErrCommitStateUnknown):
		return fqgw.Errorf(fqgw.CodeConnectionFailure, "lake: the catalog cannot answer now: %w", err).WithHint(hintAgain)
	case errors.As(err, &connect), errors.As(err, &web), errors.As(err, &op), errors.Is(err, errNotTaken):
		return fqgw.Errorf(fqgw.CodeConnectionFailure, "lake: the catalog cannot be reached: %w", err).WithHint(hintAgain)
	}
	return nil
}

// refused says whether a commit that failed was surely not carried out, and never will
// be. Lost is the case that another came first; iceberg-go v0.7.0 marks just one of
// the two ways in which its SQL catalog notices.
func refused(err error) bool {
	return lost(err) || isMissing(err) || errors.Is(err, errNotTaken) || errors.Is(err, rest.ErrBadRequest) ||
		errors.Is(err, rest.ErrForbidden) || errors.Is(err, rest.ErrUnauthorized) || errors.Is(err, rest.ErrAuthorizationExpired)
}

// lost says whether a commit surely failed because another came first.
func lost(err error) bool {
	return errors.Is(err, table.ErrCommitFailed) ||
		!errors.Is(err, rest.ErrRESTError) && strings.Contains(err.Error(), "requirement failed: ")
}

// errNotTaken is in the chain of an error after which nothing can have happened.
var errNotTaken = errors.New("nothing was done")

// notTaken puts errNotTaken into the chain, and nothing into the text.
func notTaken(err error) error { return &untouched{err} }

type untouched struct{ error }

func (u *untouched) Unwrap() []error { return []error{u.error, errNotTaken} }

// missing is fail, with the table's name where there is none.
func (l *Lake) missing(name string, err error) error {
	if isMissing(err) {
		return fqgw.Errorf(fqgw.CodeUndefinedTable, "table \"%s\" does not exist in the lake", name)
	}
	return fail(err)
}

func isMissing(err error) bool {
	return errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace)
}
