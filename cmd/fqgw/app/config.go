package app

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// Config is everything that can be configured. Flags beat the environment
// (FQGW_LISTEN …), which beats the YAML file; the names are the same in all
// three, with - in flags where the others have _.
type Config struct {
	Listen      string  `yaml:"listen"`       // PostgreSQL protocol
	Admin       string  `yaml:"admin"`        // health and metrics
	Data        string  `yaml:"data"`         // directory
	Online      string  `yaml:"online"`       // "embedded" or a Redis URL
	Kafka       string  `yaml:"kafka"`        // "embedded" or brokers, comma separated
	Lake        string  `yaml:"lake"`         // "embedded"
	KafkaListen string  `yaml:"kafka_listen"` // the embedded broker
	RedisListen string  `yaml:"redis_listen"` // the embedded online store
	Shards      int     `yaml:"shards"`       // of a new online store; 0: 64 embedded, 1024 otherwise
	Clock       string  `yaml:"clock"`        // a time: run on a set clock
	ClockRate   float64 `yaml:"clock_rate"`
	Connections int     `yaml:"connections"`   // at most so many sessions
	Memory      string  `yaml:"memory"`        // of one statement
	Stream      string  `yaml:"stream_memory"` // of the streams, for events that are ahead of their time
	Sync        string  `yaml:"sync"`          // on: what is acknowledged survives a lost machine too
	Log         string  `yaml:"log"`           // debug, info, warn, error
}

func defaults() Config {
	return Config{Listen: "127.0.0.1:15432", Admin: "127.0.0.1:15433", Data: "fqgw-data", Online: "embedded", Kafka: "embedded",
		Lake: "embedded", KafkaListen: "127.0.0.1:15434", RedisListen: "127.0.0.1:15435", ClockRate: 1, Connections: 500, Memory: "1GiB", Stream: "64MiB", Sync: "off", Log: "info"}
}

// option is one setting, by the name that it has everywhere.
type option struct {
	name, usage string
	get         func() string
	set         func(string) error
}

func (c *Config) options() []option {
	text := func(name, usage string, p *string) option {
		return option{name, usage, func() string { return *p }, func(v string) error { *p = v; return nil }}
	}
	number := func(name, usage string, p *int) option {
		return option{name, usage, func() string { return strconv.Itoa(*p) }, func(v string) (err error) {
			if *p, err = strconv.Atoi(v); err != nil {
				err = fmt.Errorf("it must be a whole number")
			}
			return err
		}}
	}
	return []option{
		text("listen", "address of the PostgreSQL protocol", &c.Listen),
		text("admin", "address of health and metrics", &c.Admin),
		text("data", "data directory", &c.Data),
		text("online", "online store: embedded, redis://…, rediss://…, redis+cluster://a,b,c", &c.Online),
		text("kafka", "Kafka: embedded, or brokers separated by commas", &c.Kafka),
		text("lake", "lake: embedded", &c.Lake),
		text("kafka_listen", "address of the embedded Kafka", &c.KafkaListen),
		text("redis_listen", "address of the embedded online store", &c.RedisListen),
		number("shards", "shards of a new online store (0: 64 embedded, 1024 on a server)", &c.Shards),
		text("clock", "run on a set clock that starts at this time; real: no longer on the one that the directory remembers", &c.Clock),
		{"clock_rate", "speed of the set clock (60: a minute a second, 0: it stands)",
			func() string { return strconv.FormatFloat(c.ClockRate, 'g', -1, 64) }, func(v string) error {
				r, err := strconv.ParseFloat(v, 64)
				if err != nil || r < 0 {
					return fmt.Errorf("it must be a number, 0 or more")
				}
				c.ClockRate = r
				return nil
			}},
		number("connections", "greatest number of sessions", &c.Connections),
		text("memory", "memory limit of one statement", &c.Memory),
		text("stream_memory", "memory limit of the streams for events that are ahead of their time", &c.Stream),
		text("sync", "fsync the embedded Kafka and the lake: on, off", &c.Sync),
		text("log", "least level that is logged: debug, info, warn, error", &c.Log),
	}
}

// shown is a default in the list of flags.
func shown(value string) string {
	if value == "" {
		return ""
	}
	return " (default " + value + ")"
}

// aliases are older or shorter flag names.
var aliases = map[string]string{"redis": "online"}

// loadConfig reads the file, the environment and the flags, in the order of
// their weight. explicit names the options that any of them set.
func loadConfig(args, environ []string, out io.Writer) (c Config, explicit map[string]bool, rest []string, err error) {
	c = defaults()
	explicit = map[string]bool{}
	env, err := c.environment(environ)
	if err != nil {
		return c, nil, nil, err
	}
	fs := flag.NewFlagSet("fqgw", flag.ContinueOnError)
	fs.SetOutput(out)
	file := fs.String("config", env["config"], "YAML file")
	given := map[string]string{}
	for _, o := range c.options() {
		fs.Func(strings.ReplaceAll(o.name, "_", "-"), o.usage+shown(o.get()), func(v string) error {
			given[o.name] = v
			return nil
		})
	}
	for short, name := range aliases {
		fs.Func(short, "same as -"+name, func(v string) error { given[name] = v; return nil })
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return c, nil, nil, err
		}
		return c, nil, nil, usageError{err}
	}
	if *file == "" {
		if _, err := os.Stat("fqgw.yaml"); err == nil {
			*file = "fqgw.yaml"
		}
	}
	if *file != "" {
		if err := c.readFile(*file, explicit); err != nil {
			return c, nil, nil, err
		}
	}
	for _, o := range c.options() {
		for _, v := range []struct{ value, from string }{{env[o.name], envPrefix + strings.ToUpper(o.name)}, {given[o.name], "-" + strings.ReplaceAll(o.name, "_", "-")}} {
			if v.value == "" {
				continue
			}
			explicit[o.name] = true
			if err := o.set(v.value); err != nil {
				return c, nil, nil, usageError{fmt.Errorf("%s: %q: %w", v.from, v.value, err)}
			}
		}
	}
	return c, explicit, fs.Args(), c.check()
}

const envPrefix = "FQGW_"

// environment is what FQGW_… variables set, by option; an unknown one is an
// error with the nearest name. Those of tests are nobody's business here.
func (c *Config) environment(environ []string) (map[string]string, error) {
	names := []string{"config"}
	for _, o := range c.options() {
		names = append(names, o.name)
	}
	out := map[string]string{}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		key, ours := strings.CutPrefix(name, envPrefix)
		if !ours || key == "FAULT" || strings.HasPrefix(key, "TEST_") {
			continue
		}
		key = strings.ToLower(key)
		if !slices.Contains(names, key) {
			return nil, unknownKey(fmt.Sprintf("the environment sets the unknown %s", name), key, names, func(s string) string { return envPrefix + strings.ToUpper(s) })
		}
		out[key] = value
	}
	return out, nil
}

func unknownKey(what, key string, names []string, show func(string) string) error {
	if near := fqgw.Nearest(key, names); near != "" {
		what += fmt.Sprintf(" (did you mean %q?)", show(near))
	}
	return usageError{errors.New(what)}
}

// readFile sets what a YAML file names; an unknown key is an error with the nearest name.
func (c *Config) readFile(path string, explicit map[string]bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var doc map[string]yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	opts := c.options()
	names := make([]string, len(opts))
	for i, o := range opts {
		names[i] = o.name
	}
	for key, node := range doc {
		i := slices.Index(names, key)
		if i < 0 {
			return unknownKey(fmt.Sprintf("%s:%d: unknown key %q", path, node.Line, key), key, names, func(s string) string { return s })
		}
		explicit[key] = true
		if node.Kind != yaml.ScalarNode {
			return usageError{fmt.Errorf("%s:%d: %s must be a single value", path, node.Line, key)}
		}
		if err := opts[i].set(node.Value); err != nil {
			return usageError{fmt.Errorf("%s:%d: %s: %w", path, node.Line, key, err)}
		}
	}
	return nil
}

// usageError is a mistake in how fqgw was called: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func (c *Config) check() error {
	for _, a := range []struct{ name, addr string }{{"listen", c.Listen}, {"admin", c.Admin}, {"kafka-listen", c.KafkaListen}, {"redis-listen", c.RedisListen}} {
		host, _, err := net.SplitHostPort(a.addr)
		if err != nil {
			return usageError{fmt.Errorf("%s: %q is no address: %w", a.name, a.addr, err)}
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return usageError{fmt.Errorf("%s: %q is not a loopback address; TLS and passwords, which any other needs, are not built yet", a.name, a.addr)}
		}
	}
	if c.Lake != "embedded" {
		return usageError{fmt.Errorf("lake: %q: only the embedded lake is built yet", c.Lake)}
	}
	for _, m := range []struct{ name, size string }{{"memory", c.Memory}, {"stream_memory", c.Stream}} {
		if _, err := parseBytes(m.size); err != nil {
			return usageError{fmt.Errorf("%s: %q: %w", m.name, m.size, err)}
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log) {
		return usageError{fmt.Errorf("log: %q: it must be debug, info, warn or error", c.Log)}
	}
	if c.Sync != "on" && c.Sync != "off" {
		return usageError{fmt.Errorf("sync: %q: it must be on or off", c.Sync)}
	}
	for b := range strings.SplitSeq(c.Kafka, ",") {
		if _, _, err := net.SplitHostPort(strings.TrimSpace(b)); c.Kafka != "embedded" && (err != nil || strings.ContainsAny(b, "@/")) {
			return usageError{errors.New("kafka: it must be embedded, or host:port of the brokers, separated by commas")}
		}
	}
	if c.Clock != "" && c.Clock != clockReal {
		if _, err := clockTime(c.Clock); err != nil {
			return usageError{fmt.Errorf("clock: %q: %w", c.Clock, err)}
		}
	}
	return nil
}

// clockReal as the clock takes a directory back from a set clock to the real one.
const clockReal = "real"

func clockTime(s string) (int64, error) {
	v, err := expr.Parse(s, fqgw.Timestamptz, &fqgw.Env{Now: time.Now().UnixMicro()})
	return v.Int(), err
}

func parseBytes(s string) (int64, error) {
	units := []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"", 1}}
	for _, u := range units {
		if num, ok := strings.CutSuffix(s, u.name); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(num), 10, 64)
			if err != nil || n <= 0 {
				return 0, fmt.Errorf("it must be a size such as 512MiB")
			}
			return n * u.size, nil
		}
	}
	return 0, fmt.Errorf("it must be a size such as 512MiB")
}

// print writes the configuration as YAML, without secrets.
func (c *Config) print(w io.Writer) error {
	shown := *c
	shown.Online = redacted(c.Online)
	if abs, err := filepath.Abs(c.Data); err == nil {
		shown.Data = abs
	}
	enc := yaml.NewEncoder(w)
	defer enc.Close()
	return enc.Encode(&shown)
}

// redacted is a URL without its password.
func redacted(s string) string {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		return u.Redacted()
	}
	return s
}
