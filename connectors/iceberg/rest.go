package iceberg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/iceberg/internal/patient"
)

// tries are how often a catalog is asked that is busy or away.
const tries = 4

// mostAnswer is how many bytes an answer of a catalog may have: a table's metadata.
const mostAnswer = 256 << 20

// openREST is a REST catalog.
func openREST(c Catalog, sync bool) *server {
	patience := c.patience()
	direct := patient.Transport(patience)
	return newServer(patience, func(ctx context.Context) (catalog.Catalog, func() error, error) {
		o := []rest.Option{rest.WithCustomTransport(&persistent{direct, patience}), rest.WithAdditionalProps(c.properties(sync))}
		if c.Warehouse != "" {
			o = append(o, rest.WithWarehouseLocation(c.Warehouse))
		}
		if c.Prefix != "" {
			o = append(o, rest.WithPrefix(c.Prefix))
		}
		if c.Credential != "" {
			o = append(o, rest.WithCredential(c.Credential))
		}
		if c.Token != "" {
			o = append(o, rest.WithOAuthToken(c.Token))
		}
		if c.TokenURI != "" {
			u, err := url.Parse(c.TokenURI)
			if err != nil {
				return nil, nil, err
			}
			o = append(o, rest.WithAuthURI(u))
		}
		if c.Scope != "" {
			o = append(o, rest.WithScope(c.Scope))
		}
		r, err := rest.NewCatalog(ctx, c.name(), c.URI, o...)
		if err != nil {
			return nil, nil, err
		}
		return r, func() error {
			err := r.Close()
			direct.CloseIdleConnections()
			return err
		}, nil
	})
}

// persistent asks again where that does no harm: always when the server did not take
// a request up (it could not be reached, or it was too busy, 429), and when a request
// only reads. Any other may have been carried out, whatever became of its answer.
type persistent struct {
	next     http.RoundTripper
	patience time.Duration
}

// RoundTrip implements http.RoundTripper. The answer is there whole.
func (p *persistent) RoundTrip(r *http.Request) (*http.Response, error) {
	pause := fqgw.Backoff{First: 50 * time.Millisecond, Most: p.patience}
	for try := 1; ; try++ {
		if try > 1 && r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			r = r.Clone(r.Context())
			r.Body = body
		}
		answer, err := p.once(r)
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		var dial *net.OpError
		untouched := errors.As(err, &dial) && dial.Op == "dial"
		busy := err == nil && answer.StatusCode == http.StatusTooManyRequests
		again := untouched || busy || reads && (err != nil || answer.StatusCode >= 500)
		if !again || try == tries || r.Context().Err() != nil {
			switch {
			case busy:
				err = notTaken(errors.New("it is too busy (429)"))
			case untouched:
				err = notTaken(err)
			}
			if err != nil {
				return nil, err
			}
			return answer, nil
		}
		if after := p.after(answer); after > 0 {
			select {
			case <-time.After(after):
			case <-r.Context().Done():
			}
		} else {
			pause.Wait(r.Context())
		}
	}
}

// once makes the request and reads the whole answer.
func (p *persistent) once(r *http.Request) (*http.Response, error) {
	answer, err := p.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer+1))
	answer.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	if len(body) > mostAnswer {
		return nil, fmt.Errorf("the answer is longer than %d bytes", mostAnswer)
	}
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return answer, nil
}

// after is how long the server asks to wait, not longer than patience; 0 if it does not.
func (p *persistent) after(answer *http.Response) time.Duration {
	if answer == nil {
		return 0
	}
	text := answer.Header.Get("Retry-After")
	var d time.Duration
	if s, err := strconv.Atoi(text); err == nil {
		d = time.Duration(s) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = time.Until(at)
	}
	return min(max(d, 0), p.patience)
}
