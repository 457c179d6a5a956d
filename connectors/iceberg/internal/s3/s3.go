// Package s3 has the files of an S3 store for iceberg-go, whose own come with the
// SDKs of two clouds more. No step waits for ever, bytes are counted, and
// credentials that expire are fetched again, also within a file.
package s3

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fqgw/fqgw/connectors/iceberg/internal/patient"
)

// PatienceProperty is how long a step may take, as a Go duration; 20 s if unset.
const PatienceProperty = "fqgw.patience"

const defaultPatience = 20 * time.Second

// FS is an S3 store, for as long as a context goes on. It implements the interfaces
// of iceberg-go's io; names are s3:// URLs.
type FS struct {
	ctx      context.Context
	client   *s3.Client
	keys     *Keys
	patience time.Duration
	compat   bool // no checksums of ours
}

// New is the store that Iceberg's s3.* properties describe. What they do not say
// comes from the environment and the files of AWS. Without a region it is us-east-1,
// which stores that are not AWS take.
func New(ctx context.Context, props map[string]string) (*FS, error) {
	if on, _ := strconv.ParseBool(props[iceio.S3RemoteSigningEnabled]); on {
		return nil, errors.New("the catalog wants to sign each request (s3.remote-signing-enabled), which is not supported")
	}
	f := &FS{ctx: ctx, patience: Patience(props)}
	if c, ok := given(props); ok {
		f.keys = newKeys(c, nil)
	} else {
		f.keys = chain(props)
	}
	region := first(props[iceio.S3Region], props[iceio.S3ClientRegion])
	endpoint := first(
		props[iceio.S3EndpointURL],
		os.Getenv("AWS_ENDPOINT_URL_S3"),
		os.Getenv("AWS_S3_ENDPOINT"),
		os.Getenv("AWS_ENDPOINT_URL"),
	)
	if region == "" {
		var err error
		if region, err = machineRegion(ctx, props); err != nil {
			return nil, err
		}
	}
	o := s3.Options{Region: region, Credentials: f.keys, HTTPClient: client(f.patience),
		UsePathStyle: endpoint != "", DisableLogOutputChecksumValidationSkipped: true,
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, 5*time.Second })}
	if endpoint != "" {
		o.BaseEndpoint = aws.String(endpoint)
	}
	if virtual, err := strconv.ParseBool(props[iceio.S3ForceVirtualAddressing]); err == nil {
		o.UsePathStyle = !virtual
	}
	if path, err := strconv.ParseBool(props[PathStyleProperty]); err == nil {
		o.UsePathStyle = path
	}
	if f.compat, _ = strconv.ParseBool(props[iceio.S3CompatMode]); f.compat {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	}
	f.client = s3.New(o)
	return f, nil
}

// PathStyleProperty is what Java's Iceberg calls it.
const PathStyleProperty = "s3.path-style-access"

// attempts are how often a request is tried that fails for a while.
const attempts = 3

// Patience is the PatienceProperty.
func Patience(props map[string]string) time.Duration {
	if d, err := time.ParseDuration(props[PatienceProperty]); err == nil && d > 0 {
		return d
	}
	return defaultPatience
}

// clients share their connections, by patience.
var clients = struct {
	sync.Mutex
	of map[time.Duration]*http.Client
}{of: map[time.Duration]*http.Client{}}

func client(patience time.Duration) *http.Client {
	clients.Lock()
	defer clients.Unlock()
	c := clients.of[patience]
	if c == nil {
		c = &http.Client{Transport: patient.Transport(patience)}
		clients.of[patience] = c
	}
	return c
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// Renewing is f with credentials that fetch renews. Those that f found by itself stay.
func (f *FS) Renewing(fetch func(context.Context) (*FS, error)) *FS {
	if f.keys.fetch != nil {
		return f
	}
	out := *f
	out.keys = newKeys(f.keys.now, func(ctx context.Context) (aws.Credentials, error) {
		fresh, err := fetch(ctx)
		if err != nil {
			return aws.Credentials{}, err
		}
		return fresh.keys.now, nil
	})
	o := f.client.Options()
	o.Credentials = out.keys
	out.client = s3.New(o)
	return &out
}

// With is f for as long as ctx goes on.
func (f *FS) With(ctx context.Context) *FS {
	out := *f
	out.ctx = ctx
	return &out
}

// place is the bucket and the key of a file.
func place(name string) (bucket, key *string, err error) {
	scheme, rest, ok := strings.Cut(name, "://")
	b, k, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || b == "" || k == "" || scheme != "s3" && scheme != "s3a" && scheme != "s3n" {
		return nil, nil, &fs.PathError{Op: "find", Path: name, Err: fs.ErrInvalid}
	}
	return &b, &k, nil
}

// do calls f, and once more with other credentials where its have expired.
func (f *FS) do(op, name string, call func(ctx context.Context, bucket, key *string) error) error {
	bucket, key, err := place(name)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		used, err := f.keys.Retrieve(f.ctx)
		if err == nil {
			err = call(f.ctx, bucket, key)
		}
		if err == nil {
			return nil
		}
		if try == 0 && isExpired(err) && f.keys.expired(used) {
			continue
		}
		return f.fail(op, name, err)
	}
}

// Remove implements io.IO. A file that is not there is as good as removed.
func (f *FS) Remove(name string) error {
	return f.do("remove", name, func(ctx context.Context, bucket, key *string) error {
		_, err := f.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key})
		return err
	})
}

// DeleteFiles implements io.BulkRemovableIO.
func (f *FS) DeleteFiles(ctx context.Context, names []string) (deleted []string, err error) {
	bound := f.With(ctx)
	failed := make([]error, len(names))
	var wg sync.WaitGroup
	turns := make(chan struct{}, 8)
	for i, name := range names {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			failed[i] = bound.Remove(name)
		})
	}
	wg.Wait()
	for i, name := range names {
		if failed[i] == nil {
			deleted = append(deleted, name)
		}
	}
	return deleted, errors.Join(failed...)
}
