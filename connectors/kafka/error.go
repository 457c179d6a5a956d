package kafka

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fqgw/fqgw"
)

// fail maps an error: the connection's are class 08, the end of ctx stays what
// it is.
func (o *Options) fail(ctx context.Context, err error) error {
	var known *fqgw.Error
	var broker *kerr.Error
	refused := o.refused(err)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known): // of a certificate or a password's file
		if err == error(known) {
			return err
		}
		e := wrap(known.Code, err, "Kafka cannot be reached: %s", known.Message)
		e.Detail, e.Hint = known.Detail, known.Hint
		return e
	case ctx.Err() != nil:
		return ctx.Err()
	case refused != nil:
		return refused
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return wrap(fqgw.CodeUndefinedTable, err, "the topic does not exist")
	case errors.Is(err, kerr.MessageTooLarge):
		return wrap(fqgw.CodeLimitExceeded, err, "a record is larger than the topic takes").WithHint("Raise max.message.bytes of the topic.")
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return wrap("42501", err, "the brokers refuse: permission denied")
	case strings.Contains(err.Error(), "invalid record partitioning choice"): // the client has no error value for it
		return wrap(fqgw.CodeInvalidParameter, err, "the topic does not have that partition")
	case errors.As(err, &broker) && !broker.Retriable:
		return wrap(fqgw.CodeIO, err, "the brokers refuse: %s: %s", broker.Message, broker.Description).
			WithHint("The broker's log says more; a full disk is a usual reason. Nothing that was acknowledged is lost.")
	}
	return wrap(fqgw.CodeConnectionFailure, err, "Kafka cannot be reached: %s", reason(err)).
		WithHint("Is the broker running, and is its address right? Nothing that was acknowledged is lost.")
}

// reason is the innermost of what the client says, which repeats itself.
func reason(err error) string {
	var op *net.OpError
	switch {
	case errors.As(err, &op):
		return op.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrRecordTimeout):
		return "no answer in time"
	}
	return err.Error()
}

func wrap(code fqgw.Code, cause error, format string, args ...any) *fqgw.Error {
	e := fqgw.Errorf(code, format, args...)
	e.Err = cause
	return e
}
