package redis

import (
	"crypto/tls"
	"errors"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/fqgw/fqgw"
)

const urlForms = "redis://[user:password@]host:port[/db], rediss://… (TLS), redis+cluster://[user:password@]host:port,host:port…, " +
	"redis+sentinel://[user:password@]host:port,host:port…/master or redis+sentinel://master[:password]@host:port,host:port…; " +
	"rediss+cluster:// and rediss+sentinel:// with TLS."

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
		return clusterClient(single())
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
		return sentinelClient(single(), name, password)
	}
	if len(addrs) > 1 {
		return nil, badURL("it names several hosts")
	}
	return serverClient(single())
}

func serverClient(u string) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(u)
	if err != nil {
		return nil, parseFailed(err)
	}
	o.ContextTimeoutEnabled, o.DisableIdentity = true, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	defaults(&o.Protocol, &o.DialerRetries)
	return quickened(redis.NewClient(o)), nil
}

func clusterClient(u string) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(u)
	if err != nil {
		return nil, parseFailed(err)
	}
	o.ContextTimeoutEnabled, o.DisableIdentity = true, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	defaults(&o.Protocol, &o.DialerRetries)
	c := redis.NewClusterClient(o)
	c.OnNewNode(func(node *redis.Client) { quickened(node) })
	return c, nil
}

func sentinelClient(u, user, password string) (redis.UniversalClient, error) {
	o, err := redis.ParseFailoverURL(u)
	if err != nil {
		return nil, parseFailed(err)
	}
	if o.MasterName == "" {
		return nil, badURL("it does not name the master")
	}
	if o.TLSConfig != nil {
		// Every host shows its own certificate, not the first Sentinel's.
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if password != "" {
		o.Username, o.Password = user, password
	}
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
