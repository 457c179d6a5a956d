package app

import (
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/iceberg"
	"github.com/fqgw/fqgw/connectors/redis"
	"github.com/fqgw/fqgw/connectors/schemas"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream"
)

// option is one setting, by the name that it has everywhere. set refuses a value
// that makes no sense; secret says that the value is never shown.
type option struct {
	name, usage string
	get         func() string
	set         func(string) error
	secret      bool
}

// take sets the option to a value that stands at from: "--listen", "FQGW_LISTEN",
// "fqgw.yaml:3: listen".
func (o option) take(value, from string) error {
	err := o.set(value)
	switch {
	case err == nil:
		return nil
	case o.secret:
		return usageError{fmt.Errorf("%s: %w", from, err)}
	}
	return usageError{fmt.Errorf("%s: %q: %w", from, value, err)}
}

// The bounds of numbers: PostgreSQL's greatest max_connections, its least
// work_mem, a year a second.
const (
	maxConnections = 262143
	minMemory      = 64 << 10
	maxClockRate   = 365 * 86400
)

func (c *Config) options() []option {
	text := func(name, usage string, p *string, check func(string) error) option {
		return option{name: name, usage: usage, get: func() string { return *p }, set: func(v string) error {
			if err := check(v); err != nil {
				return err
			}
			*p = v
			return nil
		}}
	}
	number := func(name, usage string, p *int, least, most int) option {
		return option{name: name, usage: usage, get: func() string { return strconv.Itoa(*p) }, set: func(v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < least || n > most {
				return fmt.Errorf("it must be a whole number from %d to %d", least, most)
			}
			*p = n
			return nil
		}}
	}
	secret := func(o option) option {
		o.secret = true
		return o
	}
	anything := func(string) error { return nil }
	return []option{
		text("listen", "address of the PostgreSQL protocol", &c.Listen, loopback),
		text("admin", "address of health and metrics", &c.Admin, loopback),
		text("data", "data directory", &c.Data, directory),
		secret(text("online", "online store: embedded, redis://…, rediss://…, redis+cluster://a,b,c", &c.Online, onlineStore)),
		secret(text("kafka", "Kafka: embedded, or brokers separated by commas", &c.Kafka, brokers)),
		text("kafka_sasl", "how to log in to Kafka: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 (default: not)", &c.KafkaSASL, mechanism),
		text("kafka_username", "user of the login to Kafka", &c.KafkaUser, anything),
		secret(text("kafka_password", "password of the login to Kafka, or file:PATH that has it", &c.KafkaPass, anything)),
		text("kafka_tls", "TLS to the brokers: on, off", &c.KafkaTLS, oneOf("on", "off")),
		text("kafka_ca", "PEM file of who signs the brokers' certificates (default: the system's)", &c.KafkaCA, anything),
		text("kafka_cert", "PEM file of the certificate that is shown to the brokers", &c.KafkaCert, anything),
		text("kafka_key", "PEM file of that certificate's key", &c.KafkaKey, anything),
		text("kafka_server_name", "name that the brokers' certificates must have (default: the host)", &c.KafkaServer, anything),
		secret(text("schema_registry", "schema registry: the http(s):// URL of Confluent's API, several separated by commas", &c.Schemas, registryURLs)),
		secret(text("schema_registry_credentials", "of the schema registry: user:password, a bearer token, or file:PATH that has one of them",
			&c.SchemasAuth, anything)),
		text("schema_registry_ca", "PEM file of who signs the certificate of the schema registry (default: the system's)", &c.SchemasCA, anything),
		c.lakeOption(),
		text("lake_warehouse", "the folder of new tables of the lake, or what its REST catalog calls its warehouse", &c.Warehouse, anything),
		text("lake_cache", "most bytes of the copies of sorted history that is in S3, in the data directory", &c.Cache, size),
		text("kafka_listen", "address of the embedded Kafka", &c.KafkaListen, loopback),
		text("redis_listen", "address of the embedded online store", &c.RedisListen, loopback),
		number("shards", "shards of a new online store (0: 64 embedded, 1024 on a server)", &c.Shards, 0, redis.MaxShards),
		text("clock", "run on a set clock that starts at this time; real: no longer on the one that the directory remembers", &c.Clock,
			func(v string) error { _, err := clockTime(v); return err }),
		{name: "clock_rate", usage: "speed of the set clock (60: a minute a second, 0: it stands)",
			get: func() string { return strconv.FormatFloat(c.ClockRate, 'g', -1, 64) }, set: func(v string) error {
				r, err := strconv.ParseFloat(v, 64)
				if err != nil || !(r >= 0 && r <= maxClockRate) { // NaN too
					return fmt.Errorf("it must be a number from 0 to %d", maxClockRate)
				}
				c.ClockRate = r + 0 // no -0
				return nil
			}},
		number("connections", "greatest number of sessions", &c.Connections, 1, maxConnections),
		text("memory", "memory limit of one statement", &c.Memory, size),
		text("session_memory", "memory limit of what a session keeps between statements (default: as memory)", &c.Session, sizeOrNone),
		text("total_memory", "memory limit of all sessions with their statements (default: none)", &c.Total, sizeOrNone),
		text("stream_memory", "memory limit of all streams", &c.Stream, streamSize),
		text("online_memory", "how much the states in the online store may take, about: what is cold goes to the lake (default: no limit)", &c.OnlineMax, sizeOrNone),
		text("allow_files", "folders of files that SQL may read besides data/files, separated as in PATH", &c.AllowFiles, directories),
		text("sync", "fsync the embedded Kafka and the lake: on, off", &c.Sync, oneOf("on", "off")),
		text("log", "least level that is logged: debug, info, warn, error", &c.Log, oneOf("debug", "info", "warn", "error")),
	}
}

// lakeOption is the address of the lake; it takes the place of a section of the file.
func (c *Config) lakeOption() option {
	return option{name: "lake", usage: "lake: embedded, the http(s):// URL of an Iceberg REST catalog, the postgres:// URL of an SQL catalog, or a connection",
		secret: true, get: func() string { return c.Lake }, set: func(v string) error {
			if err := lakeAddress(v); err != nil {
				return err
			}
			c.Lake, c.Catalog = v, iceberg.Catalog{}
			return nil
		}}
}

func oneOf(values ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(values, v) {
			return nil
		}
		last := len(values) - 1
		return fmt.Errorf("it must be %s or %s", strings.Join(values[:last], ", "), values[last])
	}
}

// address takes host:port with a port in numbers, from least.
func address(v string, least int) (host string, err error) {
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		return "", errors.New("it must be host:port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < least || n > math.MaxUint16 {
		return "", fmt.Errorf("its port must be a number from %d to %d", least, math.MaxUint16)
	}
	return host, nil
}

func loopback(v string) error {
	host, err := address(v, 0)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("it is not a loopback address; TLS and passwords, which any other needs, are not built yet")
	}
	return nil
}

func directory(v string) error {
	if strings.TrimSpace(v) == "" || strings.ContainsRune(v, 0) {
		return errors.New("it must be the path of a directory")
	}
	return nil
}

func directories(v string) error {
	for _, d := range filepath.SplitList(v) {
		if err := directory(d); err != nil {
			return err
		}
	}
	return nil
}

func onlineStore(v string) error {
	if v == "embedded" {
		return nil
	}
	err := redis.CheckURL(v)
	var e *fqgw.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%s. %s", e.Message, e.Hint)
	}
	return err
}

func brokers(v string) error {
	if v == "embedded" {
		return nil
	}
	for b := range strings.SplitSeq(v, ",") {
		host, err := address(strings.TrimSpace(b), 1)
		if err != nil || host == "" || strings.ContainsAny(b, "@/") {
			return errors.New("it must be embedded, or host:port of the brokers, separated by commas")
		}
	}
	return nil
}

func registryURLs(v string) error {
	if v == "" {
		return nil
	}
	return schemas.CheckURLs(v)
}

// clockReal as the clock takes a directory back from a set clock to the real one.
const clockReal = "real"

// clockTime is the time at which a set clock starts, 0 for the real one.
func clockTime(s string) (int64, error) {
	if s == clockReal {
		return 0, nil
	}
	v, err := expr.Parse(s, fqgw.Timestamptz, &fqgw.Env{Now: time.Now().UnixMicro()})
	if err != nil {
		return 0, err
	}
	if t := v.Int(); t > math.MinInt64/2 && t < math.MaxInt64/2 { // not infinity, and room to go on
		return t, nil
	}
	return 0, errors.New("the clock cannot stand at it")
}

func size(v string) error {
	_, err := parseBytes(v)
	return err
}

// streamSize is a size that streams can work with.
func streamSize(v string) error {
	n, err := parseBytes(v)
	if err == nil && n < stream.LeastMemory {
		err = fmt.Errorf("it must be at least %dMiB", stream.LeastMemory>>20)
	}
	return err
}

func sizeOrNone(v string) error {
	if v == "" {
		return nil
	}
	return size(v)
}

// sizeOf is a size that was checked when it was set, 0 for none.
func sizeOf(v string) int64 {
	n, _ := parseBytes(v)
	return n
}

// parseBytes reads a size such as 512MiB, 64 KiB at least.
func parseBytes(s string) (int64, error) {
	units := []struct {
		name string
		size int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"", 1}}
	for _, u := range units {
		num, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(num), 10, 64)
		switch {
		case err != nil:
			return 0, errors.New("it must be a size such as 512MiB")
		case n > math.MaxInt64/u.size:
			return 0, errors.New("it is more than any machine has")
		case n*u.size < minMemory:
			return 0, fmt.Errorf("it must be at least %dKiB", minMemory>>10)
		}
		return n * u.size, nil
	}
	return 0, errors.New("it must be a size such as 512MiB")
}

// redacted is a store's URL without its passwords: the user's, and those of the query.
func redacted(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		user, _, hasPassword := strings.Cut(rest[:at], ":")
		if hasPassword {
			user += ":xxxxx"
		}
		rest = user + rest[at:]
	}
	if hasQuery {
		pairs := strings.Split(query, "&")
		for i, p := range pairs {
			if name, _, _ := strings.Cut(p, "="); strings.Contains(strings.ToLower(name), "pass") {
				pairs[i] = name + "=xxxxx"
			}
		}
		rest += "?" + strings.Join(pairs, "&")
	}
	return scheme + "://" + rest
}

// dataPath is the data directory, absolute where that can be said.
func dataPath(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}
