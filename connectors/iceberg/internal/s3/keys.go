package s3

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/apache/iceberg-go/io"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Keys are credentials that are fetched again before they end, or when the store
// refuses them as expired. Safe for concurrent use.
type Keys struct {
	turn  chan struct{} // holds one token while somebody uses what follows
	now   aws.Credentials
	until time.Time // when they are fetched again; zero: never
	fetch func(context.Context) (aws.Credentials, error)
}

// ahead is how long before their end credentials are fetched again, if they live
// twice as long.
const ahead = time.Minute

func newKeys(now aws.Credentials, fetch func(context.Context) (aws.Credentials, error)) *Keys {
	k := &Keys{turn: make(chan struct{}, 1), fetch: fetch}
	k.set(now)
	return k
}

func (k *Keys) set(c aws.Credentials) {
	k.now, k.until = c, time.Time{}
	if c.CanExpire {
		k.until = c.Expires.Add(-min(ahead, time.Until(c.Expires)/2))
	}
}

// Retrieve implements aws.CredentialsProvider.
func (k *Keys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return aws.Credentials{}, ctx.Err()
	}
	if k.fetch == nil || k.now.HasKeys() && (k.until.IsZero() || time.Now().Before(k.until)) {
		return k.now, nil
	}
	c, err := k.fetch(ctx)
	if err == nil {
		k.set(c)
	}
	return c, err
}

// expired forgets the credentials, which the store refused, unless they are others
// already; false if no others can be had.
func (k *Keys) expired(refused aws.Credentials) bool {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	if k.fetch == nil {
		return false
	}
	if k.now.AccessKeyID == refused.AccessKeyID && k.now.SessionToken == refused.SessionToken {
		k.now = aws.Credentials{}
	}
	return true
}

// The properties that Iceberg's have no constants for.
const (
	expiresProperty = "s3.session-token-expires-at-ms"
	// ProfileProperty and FileProperty choose a profile of the credentials file, and
	// the file.
	ProfileProperty = "fqgw.s3.profile"
	FileProperty    = "fqgw.s3.credentials-file"
)

// given are the credentials that properties have.
func given(props map[string]string) (aws.Credentials, bool) {
	c := aws.Credentials{AccessKeyID: props[io.S3AccessKeyID], SecretAccessKey: props[io.S3SecretAccessKey],
		SessionToken: props[io.S3SessionToken], Source: "properties"}
	if ms, err := strconv.ParseInt(props[expiresProperty], 10, 64); err == nil && ms > 0 {
		c.CanExpire, c.Expires = true, time.UnixMilli(ms)
	}
	return c, c.HasKeys()
}

// chains are the machine's own credentials, by profile and file: those of the
// environment, the files of AWS, the machine's role. They are looked for once.
var chains = struct {
	sync.Mutex
	found   map[[2]string]*Keys
	regions map[[2]string]string
}{found: map[[2]string]*Keys{}, regions: map[[2]string]string{}}

// machineRegion is the machine's own region.
func machineRegion(ctx context.Context, props map[string]string) (string, error) {
	chains.Lock()
	defer chains.Unlock()
	name := [2]string{props[ProfileProperty], props[FileProperty]}
	if r := chains.regions[name]; r != "" {
		return r, nil
	}
	m, err := machine(ctx, props)
	if err != nil {
		return "", err
	}
	chains.regions[name] = first(m.Region, "us-east-1")
	return chains.regions[name], nil
}

func chain(props map[string]string) *Keys {
	chains.Lock()
	defer chains.Unlock()
	name := [2]string{props[ProfileProperty], props[FileProperty]}
	if k := chains.found[name]; k != nil {
		return k
	}
	k := newKeys(aws.Credentials{}, func(ctx context.Context) (aws.Credentials, error) {
		c, err := machine(ctx, props)
		if err != nil {
			return aws.Credentials{}, err
		}
		return c.Credentials.Retrieve(ctx)
	})
	chains.found[name] = k
	return k
}

// machine is what the environment and the files of AWS say.
func machine(ctx context.Context, props map[string]string) (aws.Config, error) {
	var options []func(*config.LoadOptions) error
	if p := props[ProfileProperty]; p != "" {
		options = append(options, config.WithSharedConfigProfile(p))
	}
	if f := props[FileProperty]; f != "" {
		options = append(options, config.WithSharedCredentialsFiles([]string{f}))
	}
	return config.LoadDefaultConfig(ctx, options...)
}
