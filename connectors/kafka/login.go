package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/secure"
)

// Mechanisms are the ways of SASL to log in.
var Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

// Login is who the brokers shall know us as.
type Login struct {
	Mechanism string // one of Mechanisms; "": no login
	User      string
	Password  string // as secure.Secret takes it, by every connection
}

const dialWithin = 5 * time.Second

// check is nil if connections can be tried with the options.
func (o *Options) check() error {
	if l := o.Login; l.Mechanism != "" && (!slices.Contains(Mechanisms, l.Mechanism) || l.User == "" || l.Password == "") {
		return fqgw.Errorf(fqgw.CodeInvalidParameter, "kafka: a login has a user, a password and a mechanism: %s", strings.Join(Mechanisms, ", "))
	}
	if o.TLS == nil {
		return nil
	}
	_, err := o.TLS.Config("")
	return err
}

// secured are the client's options for TLS and the login.
func (o *Options) secured() (opts []kgo.Opt) {
	if t := o.TLS; t != nil {
		opts = append(opts, kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			return t.Dial(ctx, network, address, dialWithin)
		}))
	}
	if o.Login.Mechanism != "" {
		opts = append(opts, kgo.SASL(o.Login.sasl()))
	}
	return opts
}

func (l Login) sasl() sasl.Mechanism {
	if l.Mechanism == "PLAIN" {
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := secure.Secret(l.Password)
			return plain.Auth{User: l.User, Pass: password}, err
		})
	}
	auth := func(context.Context) (scram.Auth, error) {
		password, err := secure.Secret(l.Password)
		return scram.Auth{User: l.User, Pass: password}, err
	}
	if l.Mechanism == "SCRAM-SHA-256" {
		return scram.Sha256(auth)
	}
	return scram.Sha512(auth)
}

const hintAgain = " What waits goes on when they are right."

// refused is err as the brokers' refusal of who we are, nil if it is something else.
func (o *Options) refused(err error) error {
	server := "Kafka at " + strings.Join(o.Brokers, ",")
	var early *kgo.ErrFirstReadEOF
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return wrap("28P01", err, "%s refuses the user or password", server).
			WithDetail("It was asked as user \"%s\" with %s.", o.Login.User, o.Login.Mechanism).
			WithHint("Look at kafka_username and kafka_password." + hintAgain)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return wrap("28000", err, "%s has no login with %s", server, o.Login.Mechanism).
			WithHint("Set kafka_sasl to one of its sasl.enabled.mechanisms.")
	case errors.Is(err, kerr.IllegalSaslState):
		return wrap("28000", err, "%s takes no login", server).WithHint("Is it the port of the listener with SASL? Otherwise leave kafka_sasl empty.")
	case errors.As(err, &early), errors.Is(err, io.EOF) && (o.TLS != nil || o.Login.Mechanism != ""):
		return wrap(fqgw.CodeConnectionFailure, err, "%s closes the connection", server).WithHint("%s", o.mismatch())
	}
	if e := secure.Refused(server, err); e != nil {
		return e
	}
	return nil
}

// mismatch says what a listener may want that ends a connection without a word.
func (o *Options) mismatch() string {
	with := func(is bool) string { return map[bool]string{true: "with", false: "without"}[is] }
	return fmt.Sprintf("It may be starting or stopping, or want another protocol: fqgw comes %s TLS (kafka_tls) and %s a login (kafka_sasl).",
		with(o.TLS != nil), with(o.Login.Mechanism != ""))
}
