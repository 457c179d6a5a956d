// Package schemas is a schema registry behind fqgw.RecordSchemas: one that speaks
// Confluent's REST API, as Apicurio, Karapace, Redpanda and others do too.
package schemas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/secure"
)

// Options say where the registry is.
type Options struct {
	URLs string // http:// or https://, several separated by commas: the next one when one fails
	// Credentials are user:password, or a bearer token; file:PATH has them in a file,
	// which is read again for each request. "": none.
	Credentials string
	CA          string        // a PEM file of who signs the registry's certificate; "": those of the system
	Timeout     time.Duration // of one request; 0: 15 s
	Wait        time.Duration // for which Schema waits before it is "not now"; 0: 1 s
}

// CheckURLs says what is wrong with Options.URLs.
func CheckURLs(urls string) error {
	for u := range strings.SplitSeq(urls, ",") {
		p, err := url.Parse(strings.TrimSpace(u))
		if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Host == "" {
			return errors.New("it must be the http:// or https:// URL of a schema registry")
		}
		if p.User != nil {
			return errors.New("its user and password do not belong into the URL: set schema_registry_credentials")
		}
		if p.RawQuery != "" || p.Fragment != "" {
			return errors.New("the URL of a schema registry has no query")
		}
	}
	return nil
}

// Client is an fqgw.RecordSchemas. What it has learned of an id it keeps; of each
// question it has one on the way at a time.
type Client struct {
	o    Options
	urls []string
	http *http.Client

	life context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu       sync.Mutex
	first    int                           // the index of the URL that answered last
	asked    map[string]*call              // by what is asked
	versions map[string]*fqgw.RecordSchema // by the path of a subject's version
	made     map[string]int32              // registered here: by subject and text
}

// call is a question, and its answer.
type call struct {
	done   chan struct{} // closed with the answer
	schema *fqgw.RecordSchema
	err    error
	until  time.Time // the answer holds so long; zero: for ever
	failed int       // answers before that were errors
}

// Open makes a client. It asks nothing yet: whether the registry is there is known
// when something is asked.
func Open(o Options) (*Client, error) {
	if err := CheckURLs(o.URLs); err != nil {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "schema registry: %w", err)
	}
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	if o.Wait == 0 {
		o.Wait = time.Second
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if o.CA != "" {
		config, err := secure.TLS{CA: o.CA}.Config("")
		if err != nil {
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "schema registry: %w", err)
		}
		transport.TLSClientConfig = config
	}
	c := &Client{o: o, http: &http.Client{Transport: transport, Timeout: o.Timeout}, asked: map[string]*call{},
		versions: map[string]*fqgw.RecordSchema{}, made: map[string]int32{}}
	for u := range strings.SplitSeq(o.URLs, ",") {
		c.urls = append(c.urls, strings.TrimRight(strings.TrimSpace(u), "/"))
	}
	c.life, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// Close ends what is on the way.
func (c *Client) Close() error {
	c.stop()
	c.work.Wait()
	c.http.CloseIdleConnections()
	return nil
}

// Between two questions that are answered by an error.
const (
	leastPause = 250 * time.Millisecond
	mostPause  = 10 * time.Second
	unknownFor = 2 * time.Second // an id that the registry does not know
	latestFor  = 2 * time.Second // the newest schema of a subject
)

// Schema implements fqgw.RecordSchemas.
func (c *Client) Schema(ctx context.Context, id int32) (*fqgw.RecordSchema, error) {
	return c.ask(ctx, c.o.Wait, "/schemas/ids/"+strconv.FormatInt(int64(id), 10), func(ctx context.Context, path string) (*fqgw.RecordSchema, error) {
		var a answer
		if err := c.get(ctx, path, &a); err != nil {
			if fqgw.HasCode(err, fqgw.CodeUndefinedObject) {
				err = wrap(fqgw.CodeUndefinedObject, err, "the schema registry does not know schema %d", id).
					WithHint("Is it the registry that the topic's producers use? What they registered there must stay.")
			}
			return nil, err
		}
		a.ID = id
		return c.whole(ctx, &a, 0)
	}, func(k *call) time.Duration {
		switch {
		case k.err == nil:
			return 0
		case fqgw.HasCode(k.err, fqgw.CodeUndefinedObject):
			return unknownFor
		}
		return min(leastPause<<min(k.failed, 6), mostPause)
	})
}

// Latest implements fqgw.RecordSchemas.
func (c *Client) Latest(ctx context.Context, subject string) (*fqgw.RecordSchema, error) {
	s, err := c.ask(ctx, 2*c.o.Timeout, latestPath(subject), func(ctx context.Context, path string) (*fqgw.RecordSchema, error) {
		var a answer
		if err := c.get(ctx, path, &a); err != nil {
			return nil, err
		}
		return c.whole(ctx, &a, 0)
	}, func(k *call) time.Duration {
		if k.err != nil {
			return time.Nanosecond
		}
		return latestFor
	})
	if fqgw.HasCode(err, fqgw.CodeUndefinedObject) {
		return nil, c.noSubject(ctx, subject, err)
	}
	return s, err
}

func latestPath(subject string) string {
	return "/subjects/" + url.PathEscape(subject) + "/versions/latest"
}

// noSubject is the error for a subject that there is not, with the nearest that are.
func (c *Client) noSubject(ctx context.Context, subject string, err error) error {
	e := wrap(fqgw.CodeUndefinedObject, err, "the schema registry has no subject \"%s\"", subject)
	var all []string
	if c.get(ctx, "/subjects", &all) != nil {
		return e
	}
	if near := fqgw.Nearest(subject, all); near != "" {
		return e.WithHint("Perhaps you meant \"%s\".", near)
	}
	if len(all) == 0 {
		return e.WithHint("It has no subjects at all.")
	}
	return e
}

// ask gives the answer to a question if it comes within that time, an older one while
// that holds.
func (c *Client) ask(ctx context.Context, within time.Duration, path string, answer func(context.Context, string) (*fqgw.RecordSchema, error),
	holds func(*call) time.Duration) (*fqgw.RecordSchema, error) {
	k := c.call(path, answer, holds)
	wait := time.NewTimer(within)
	defer wait.Stop()
	select {
	case <-k.done:
		return k.schema, k.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
		return nil, fqgw.Errorf(fqgw.CodeConnectionFailure, "the schema registry has not answered for %v", within).WithHint(hintAway)
	}
}

const hintAway = "Is it running, and is its address right? What waits for it goes on when it is back."

// call is the question of that path that was asked last, asked again if it must be.
func (c *Client) call(path string, answer func(context.Context, string) (*fqgw.RecordSchema, error), holds func(*call) time.Duration) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.asked[path]
	if old != nil {
		select {
		case <-old.done:
			if old.until.IsZero() || time.Now().Before(old.until) {
				return old
			}
		default:
			return old
		}
	}
	k := &call{done: make(chan struct{})}
	if old != nil && old.err != nil {
		k.failed = old.failed + 1
	}
	c.asked[path] = k
	c.work.Go(func() {
		defer close(k.done)
		if k.schema, k.err = answer(c.life, path); k.err == nil && k.schema == nil {
			k.err = fqgw.Errorf(fqgw.CodeIO, "the schema registry answers with nothing")
		}
		if d := holds(k); d > 0 {
			k.until = time.Now().Add(d)
		}
	})
	return k
}

// reference is what a schema's text names, in the registry's words.
type reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// answer is how the registry says a schema.
type answer struct {
	ID         int32       `json:"id"`
	Schema     string      `json:"schema"`
	Type       string      `json:"schemaType"` // "": AVRO
	References []reference `json:"references"`
}

// maxReferences bounds how deep schemas name each other.
const maxReferences = 50

// whole is a schema with all that it names.
func (c *Client) whole(ctx context.Context, a *answer, depth int) (*fqgw.RecordSchema, error) {
	s := &fqgw.RecordSchema{ID: a.ID, Type: a.Type, Text: a.Schema}
	if s.Type == "" {
		s.Type = "AVRO"
	}
	if depth > maxReferences {
		return nil, fqgw.Errorf(fqgw.CodeTooComplex, "the schemas of the registry name each other more than %d deep", maxReferences)
	}
	for _, r := range a.References {
		path := fmt.Sprintf("/subjects/%s/versions/%d?deleted=true", url.PathEscape(r.Subject), r.Version) // what is deleted is still named
		c.mu.Lock()
		of := c.versions[path]
		c.mu.Unlock()
		if of == nil {
			var named answer
			err := c.get(ctx, path, &named)
			if err == nil {
				of, err = c.whole(ctx, &named, depth+1)
			}
			if err != nil {
				return nil, err
			}
			c.mu.Lock()
			c.versions[path] = of
			c.mu.Unlock()
		}
		s.References = append(s.References, fqgw.SchemaReference{Name: r.Name, Schema: of})
	}
	return s, nil
}

// Register implements fqgw.RecordSchemas, for schemas that name no others.
func (c *Client) Register(ctx context.Context, subject string, s fqgw.RecordSchema) (int32, error) {
	if len(s.References) > 0 {
		return 0, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "a schema with references cannot be registered")
	}
	key := subject + "\x00" + s.Type + "\x00" + s.Text
	c.mu.Lock()
	id := c.made[key]
	c.mu.Unlock()
	if id != 0 {
		return id, nil
	}
	body := map[string]any{"schema": s.Text}
	if s.Type != "AVRO" {
		body["schemaType"] = s.Type
	}
	var a answer
	if err := c.do(ctx, http.MethodPost, "/subjects/"+url.PathEscape(subject)+"/versions", body, &a); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[key] = a.ID
	delete(c.asked, latestPath(subject))
	return a.ID, nil
}
