package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/secure"
)

// fail turns an error of go-redis into one that a client may see. The end of
// the context stays what it is, also where go-redis shows it as a time-out of
// the socket.
func fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var known *fqgw.Error
	if errors.As(err, &known) { // of a certificate or the file of a password
		e := wrap(known.Code, err, "the online store cannot be reached: %s", known.Message)
		e.Detail, e.Hint = known.Detail, known.Hint
		return e
	}
	if e := secure.Refused("the online store", err); e != nil {
		return e
	}
	var netErr net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout() {
		if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
			return context.DeadlineExceeded
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		// Not ours, for ctx goes on: a dialer's, or the store's own patience is over.
		return unreachable(err)
	}
	var reply redis.Error
	if !errors.As(err, &reply) {
		return unreachable(err)
	}
	return answered(err, reply.Error())
}

// carryOut sends what is in a pipe; every reply has its own error then. go-redis leaves
// them without one where a new connection's login was refused.
func carryOut(ctx context.Context, pipe redis.Pipeliner) {
	replies, err := pipe.Exec(ctx)
	if err == nil || slices.ContainsFunc(replies, func(r redis.Cmder) bool { return r.Err() != nil }) {
		return
	}
	for _, r := range replies {
		r.SetErr(err)
	}
}

// answered maps what Redis answered. An error within a script stands in the
// midst of the text on servers before 7.0.
func answered(err error, text string) error {
	word, _, _ := strings.Cut(text, " ")
	if word == "ERR" && strings.Contains(text, "script") {
		for _, w := range strings.Fields(text) {
			if w = strings.TrimPrefix(w, "-"); w == "WRONGTYPE" || w == "OOM" || w == "READONLY" || w == "MISCONF" || w == "FQVERSION" {
				word = w
			}
		}
	}
	hint := "Redis is starting, failing over or busy; the statement can be tried again."
	if word == "CLUSTERDOWN" {
		hint += " A Cluster that lacks a part answers for the rest with cluster-require-full-coverage no."
	}
	switch word {
	case "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY", "NOREPLICAS", "BUSY", "UNBLOCKED":
		return wrap(fqgw.CodeConnectionFailure, err, "the online store cannot answer now: %s", text).
			WithHint("%s", hint)
	case "MOVED", "ASK", "CROSSSLOT":
		return wrap(fqgw.CodeConnectionFailure, err, "the online store is a Redis Cluster: %s", text).
			WithHint("Use a URL of the form redis+cluster://host:port,host:port.")
	case "OOM":
		return wrap(fqgw.CodeOutOfMemory, err, "the online store is out of memory").
			WithHint("Raise maxmemory of Redis. Nothing was lost: the stream goes on when there is room.")
	case "NOAUTH", "WRONGPASS":
		return wrong(err)
	case "NOPERM":
		return wrap("42501", err, "the user of the online store lacks a permission: %s", text).
			WithHint("It needs: ACL SETUSER name %s.", Rights)
	case "MISCONF":
		return wrap(fqgw.CodeIO, err, "the online store cannot write to its disk: %s", text)
	case "WRONGTYPE":
		return wrap(fqgw.CodeDataCorrupted, err, "a key of the online store is not of its type").
			WithHint("Something else writes keys that begin with \"fq:\".")
	case "FQVERSION":
		return wrap(fqgw.CodeDataCorrupted, err, "online store: positions of an unknown format")
	}
	switch {
	case strings.Contains(text, "max number of clients"):
		return wrap(fqgw.CodeConnectionFailure, err, "the online store takes no more connections").WithHint("Raise maxclients of Redis.")
	case strings.Contains(text, "AUTH") && strings.Contains(text, "password"):
		return wrong(err)
	}
	return wrap(fqgw.CodeInternal, err, "online store: %s", text)
}

// Rights are what a user of Redis must be allowed, as ACL SETUSER takes them.
const Rights = "~fq:* +@read +@write +@scripting +@connection +info +cluster|slots +cluster|shards"

func wrong(err error) error {
	return wrap("28P01", err, "the online store refuses the user or password").
		WithHint("They stand in its URL, the password perhaps in a file (password_file). What waits goes on when they are right.")
}

// errSlow is no answer within a store's patience.
var errSlow = fmt.Errorf("no answer within %v", patience)

func unreachable(err error) error {
	why := "the connection was lost"
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.Is(err, redis.ErrClosed):
		why = "it was closed"
	case errors.As(err, &dns):
		why = dns.Error()
	case errors.As(err, &op):
		why = op.Error()
	case errors.Is(err, context.DeadlineExceeded):
		why = errSlow.Error()
	case !errors.Is(err, io.EOF):
		why = err.Error()
	}
	return wrap(fqgw.CodeConnectionFailure, err, "the online store cannot be reached: %s", why).
		WithHint("Is Redis running, and is its address right? Reads with AS OF do not need it.")
}

func wrap(code fqgw.Code, cause error, format string, args ...any) *fqgw.Error {
	e := fqgw.Errorf(code, format, args...)
	e.Err = cause
	return e
}
