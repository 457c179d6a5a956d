package redis

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/secure"
)

const urlForms = "redis://[user:password@]host:port[/db], rediss://… (TLS), redis+cluster://[user:password@]host:port,host:port…, " +
	"redis+sentinel://[user:password@]host:port,host:port…/master or redis+sentinel://master[:password]@host:port,host:port…; " +
	"rediss+cluster:// and rediss+sentinel:// with TLS; ?ca=, cert=, key= and server_name= name its PEM files and the name in the certificate, " +
	"password_file= the file with the password."

// proof is what a URL's query says of who the two sides are.
type proof struct {
	tls      *secure.TLS // nil: without TLS
	password string      // as secure.Secret takes it; "": the one in the URL
}

// takeProof takes out of a query what go-redis does not know.
func takeProof(params url.Values, transport string) (p proof, err error) {
	take := func(name string) string {
		v := params.Get(name)
		params.Del(name)
		return v
	}
	t := secure.TLS{CA: take("ca"), Cert: take("cert"), Key: take("key"), ServerName: take("server_name")}
	if file := take("password_file"); file != "" {
		p.password = secure.FilePrefix + file
	}
	if transport == "rediss" {
		p.tls = &t
		_, err = t.Config("")
	} else if t != (secure.TLS{}) {
		err = badURL("ca, cert, key and server_name are for rediss://")
	}
	return p, err
}

// dial is how the client's connections are made; nil is go-redis's own way.
func (p *proof) dial(unchecked bool, within time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	if p.tls == nil {
		return nil
	}
	p.tls.Unchecked = unchecked
	if within <= 0 {
		within = 5 * time.Second
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return p.tls.Dial(ctx, network, address, within)
	}
}

// credentials are asked for by every connection; nil: those of the URL.
func (p *proof) credentials(user string) func(context.Context) (string, string, error) {
	if p.password == "" {
		return nil
	}
	return func(context.Context) (string, string, error) {
		password, err := secure.Secret(p.password)
		return user, password, err
	}
}

// CheckURL says what is wrong with a URL, without dialling; no error shows it.
func CheckURL(text string) error {
	client, err := connect(text)
	if err != nil {
		return err
	}
	return client.Close()
}

// connect makes the client for a URL; it does not dial yet. go-redis's query
// parameters (read_timeout, pool_size …) may follow. No error shows the URL,
// which may hold a password.
func connect(text string) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return nil, badURL("it has no scheme")
	}
	transport, kind, _ := strings.Cut(scheme, "+")
	if transport != "redis" && transport != "rediss" || kind != "" && kind != "cluster" && kind != "sentinel" {
		return nil, badURL("unknown scheme " + scheme)
	}
	rest, query, _ := strings.Cut(rest, "?")
	user, rest := cutLast(rest, "@")
	hosts, path, _ := strings.Cut(rest, "/")
	addrs := strings.Split(hosts, ",")
	params, err := url.ParseQuery(query)
	if err != nil {
		return nil, badURL("its query cannot be read")
	}
	p, err := takeProof(params, transport)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs[1:] {
		params.Add("addr", a)
	}
	single := func() string {
		u := transport + "://"
		if user != "" {
			u += user + "@"
		}
		u += addrs[0]
		if path != "" {
			u += "/" + path
		}
		if len(params) > 0 {
			u += "?" + params.Encode()
		}
		return u
	}
	switch kind {
	case "cluster":
		if path != "" {
			return nil, badURL("a Redis Cluster has no numbered databases")
		}
		return clusterClient(single(), &p)
	case "sentinel":
		// The master's name stands in the path; without a path, for the user.
		name, password, _ := strings.Cut(user, ":")
		master := path
		if path == "" {
			master, name = name, ""
		}
		for _, part := range []*string{&master, &name, &password} {
			if *part, err = url.PathUnescape(*part); err != nil {
				return nil, badURL("it is not well formed")
			}
		}
		// Left in the URL they would be the Sentinels' own.
		user, path = "", ""
		params.Set("master_name", master)
		return sentinelClient(single(), name, password, &p)
	}
	if len(addrs) > 1 {
		return nil, badURL("it names several hosts")
	}
	return serverClient(single(), &p)
}

func serverClient(u string, p *proof) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(u)
	if err != nil {
		return nil, parseFailed(err)
	}
	o.ContextTimeoutEnabled, o.DisableIdentity = true, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.Dialer, o.CredentialsProviderContext = p.dial(o.TLSConfig != nil && o.TLSConfig.InsecureSkipVerify, o.DialTimeout), p.credentials(o.Username)
	defaults(&o.Protocol, &o.DialerRetries)
	return quickened(redis.NewClient(o)), nil
}

func clusterClient(u string, p *proof) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(u)
	if err != nil {
		return nil, parseFailed(err)
	}
	o.ContextTimeoutEnabled, o.DisableIdentity = true, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.Dialer, o.CredentialsProviderContext = p.dial(o.TLSConfig != nil && o.TLSConfig.InsecureSkipVerify, o.DialTimeout), p.credentials(o.Username)
	defaults(&o.Protocol, &o.DialerRetries)
	c := redis.NewClusterClient(o)
	c.OnNewNode(func(node *redis.Client) { quickened(node) })
	return c, nil
}

func sentinelClient(u, user, password string, p *proof) (redis.UniversalClient, error) {
	o, err := redis.ParseFailoverURL(u)
	if err != nil {
		return nil, parseFailed(err)
	}
	if o.MasterName == "" {
		return nil, badURL("it does not name the master")
	}
	if password != "" || p.password != "" {
		o.Username, o.Password = user, password
	}
	// Every host shows its own certificate, not the first Sentinel's.
	o.Dialer, o.CredentialsProviderContext = p.dial(o.TLSConfig != nil && o.TLSConfig.InsecureSkipVerify, o.DialTimeout), p.credentials(o.Username)
	o.ContextTimeoutEnabled, o.DisableIdentity = true, true
	defaults(&o.Protocol, &o.DialerRetries)
	return quickened(redis.NewFailoverClient(o)), nil
}

func quickened(c *redis.Client) *redis.Client {
	c.AddHook(dialer{})
	return c
}

// defaults: RESP2 says all that is needed here; a refused connection is tried
// again by the command's own retries, not by the dialer's as well.
func defaults(protocol, dialerRetries *int) {
	if *protocol == 0 {
		*protocol = 2
	}
	if *dialerRetries == 0 {
		*dialerRetries = 1
	}
}

func badURL(why string) error {
	return fqgw.Errorf(fqgw.CodeInvalidParameter, "the URL of the online store cannot be used: %s", why).WithHint("Known forms: %s", urlForms)
}

// parseFailed keeps of the parser's error what cannot hold the URL.
func parseFailed(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return badURL("it is not well formed")
	}
	return badURL(strings.TrimPrefix(err.Error(), "redis: "))
}

// cutLast is strings.Cut around the last sep, with everything after it when
// there is none.
func cutLast(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):]
	}
	return "", s
}
