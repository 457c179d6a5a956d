package schemas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/secure"
)

const (
	mediaType = "application/vnd.schemaregistry.v1+json"
	maxAnswer = 16 << 20 // bytes
)

func (c *Client) get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, nil, into)
}

// do asks one URL after the other until one answers.
func (c *Client) do(ctx context.Context, method, path string, body, into any) (err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	c.mu.Lock()
	first := c.first
	c.mu.Unlock()
	for i := range c.urls {
		at := (first + i) % len(c.urls)
		if err = c.try(ctx, method, c.urls[at]+path, text, into); !fqgw.HasCode(err, fqgw.CodeConnectionFailure) {
			c.mu.Lock()
			c.first = at
			c.mu.Unlock()
			return err
		}
	}
	return err
}

func (c *Client) try(ctx context.Context, method, url string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return fqgw.Errorf(fqgw.CodeInvalidParameter, "the address of the schema registry is not one")
	}
	req.Header.Set("Accept", mediaType+", application/json")
	if body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	if err := c.authorize(req); err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.away(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return c.away(ctx, err)
	case resp.StatusCode/100 != 2:
		return refused(resp.StatusCode, text)
	case len(text) > maxAnswer:
		return fqgw.Errorf(fqgw.CodeLimitExceeded, "the schema registry's answer has more than %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fqgw.Errorf(fqgw.CodeIO, "what answers as the schema registry does not speak its language").
			WithHint("Its URL may lack a path: Apicurio's ends in /apis/ccompat/v7.")
	}
	return nil
}

// authorize adds the credentials.
func (c *Client) authorize(req *http.Request) error {
	credentials, err := secure.Secret(c.o.Credentials)
	if err != nil {
		return wrap(fqgw.CodeConnectionFailure, err, "the credentials of the schema registry: %s", err)
	}
	if user, password, ok := strings.Cut(credentials, ":"); ok {
		req.SetBasicAuth(user, password)
	} else if credentials != "" {
		req.Header.Set("Authorization", "Bearer "+credentials)
	}
	return nil
}

// away is the error of a request without an answer.
func (c *Client) away(ctx context.Context, err error) error {
	if ctx.Err() != nil && c.life.Err() == nil {
		return ctx.Err()
	}
	if e := secure.Refused("the schema registry", err); e != nil {
		return e
	}
	why := "no answer in time"
	var op *net.OpError
	var timed net.Error
	switch {
	case errors.As(err, &op):
		why = op.Error()
	case errors.As(err, &timed) && timed.Timeout():
	default:
		why = innermost(err).Error()
	}
	return wrap(fqgw.CodeConnectionFailure, err, "the schema registry cannot be reached: %s", why).WithHint(hintAway)
}

// innermost is without the URL around it.
func innermost(err error) error {
	for {
		in := errors.Unwrap(err)
		if in == nil {
			return err
		}
		err = in
	}
}

// refused is the error of an answer that is one.
func refused(status int, text []byte) error {
	var said struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(text, &said) // a proxy's answer has neither
	if len(said.Message) > 300 {
		said.Message = strings.ToValidUTF8(said.Message[:300], "") + "…"
	}
	with := func(e *fqgw.Error) *fqgw.Error {
		if said.Message != "" {
			return e.WithDetail("It says: %s", said.Message)
		}
		return e
	}
	what := fmt.Sprintf("the schema registry answers %d %s", status, http.StatusText(status))
	switch {
	case status == http.StatusNotFound && said.Code >= 40400:
		return with(fqgw.Errorf(fqgw.CodeUndefinedObject, "the schema registry has no such thing"))
	case status == http.StatusNotFound:
		return fqgw.Errorf(fqgw.CodeUndefinedObject, "%s", what).WithHint("Its URL may lack a path: Apicurio's ends in /apis/ccompat/v7.")
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return with(fqgw.Errorf("42501", "the schema registry refuses: permission denied")).
			WithHint("Set schema_registry_credentials: user:password, a bearer token, or file:PATH that has one of them.")
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		return with(fqgw.Errorf(fqgw.CodeConnectionFailure, "%s", what)).WithHint(hintAway)
	case status == http.StatusConflict:
		return with(fqgw.Errorf(fqgw.CodeInvalidDefinition, "the schema registry refuses the schema: it does not go together with those before"))
	}
	return with(fqgw.Errorf(fqgw.CodeIO, "%s", what))
}

func wrap(code fqgw.Code, cause error, format string, args ...any) *fqgw.Error {
	e := fqgw.Errorf(code, format, args...)
	e.Err = cause
	var known *fqgw.Error
	if errors.As(cause, &known) {
		e.Detail, e.Hint = known.Detail, known.Hint
	}
	return e
}
