package app

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/iceberg"
	"github.com/fqgw/fqgw/connectors/secure"
)

// Config is everything that can be configured. Flags beat the environment
// (FQGW_LISTEN …), which beats the YAML file; the names are the same in all
// three, with - in flags where the others have _.
type Config struct {
	Listen      string  `yaml:"listen"`     // PostgreSQL protocol
	Admin       string  `yaml:"admin"`      // health and metrics
	Data        string  `yaml:"data"`       // directory
	Online      string  `yaml:"online"`     // "embedded" or a Redis URL
	Kafka       string  `yaml:"kafka"`      // "embedded" or brokers, comma separated
	KafkaSASL   string  `yaml:"kafka_sasl"` // how to log in; "": not
	KafkaUser   string  `yaml:"kafka_username"`
	KafkaPass   string  `yaml:"kafka_password"` // or file:PATH
	KafkaTLS    string  `yaml:"kafka_tls"`      // on, off
	KafkaCA     string  `yaml:"kafka_ca"`       // PEM files, as the next two
	KafkaCert   string  `yaml:"kafka_cert"`
	KafkaKey    string  `yaml:"kafka_key"`
	KafkaServer string  `yaml:"kafka_server_name"`           // in the brokers' certificates; "": the host
	Schemas     string  `yaml:"schema_registry"`             // URLs, comma separated; "": none
	SchemasAuth string  `yaml:"schema_registry_credentials"` // user:password, a token, or file:PATH
	SchemasCA   string  `yaml:"schema_registry_ca"`          // a PEM file; "": the system's
	Lake        string  `yaml:"lake"`                        // "embedded", the URI of a catalog, or the name of a connection
	Warehouse   string  `yaml:"lake_warehouse"`
	Cache       string  `yaml:"lake_cache"`   // of copies of sorted history that is not on this machine
	KafkaListen string  `yaml:"kafka_listen"` // the embedded broker
	RedisListen string  `yaml:"redis_listen"` // the embedded online store
	Shards      int     `yaml:"shards"`       // of a new online store; 0: 64 embedded, 1024 otherwise
	Clock       string  `yaml:"clock"`        // a time: run on a set clock
	ClockRate   float64 `yaml:"clock_rate"`
	Connections int     `yaml:"connections"`    // at most so many sessions
	Memory      string  `yaml:"memory"`         // of one statement
	Session     string  `yaml:"session_memory"` // of what one session keeps; "": as memory
	Total       string  `yaml:"total_memory"`   // of all sessions with their statements; "": no limit
	Stream      string  `yaml:"stream_memory"`  // of all streams
	OnlineMax   string  `yaml:"online_memory"`  // of the states in the online store; "": no limit
	AllowFiles  string  `yaml:"allow_files"`    // folders that SQL may read, besides data/files; a list as PATH is
	Sync        string  `yaml:"sync"`           // on: what is acknowledged survives a lost machine too
	Log         string  `yaml:"log"`            // debug, info, warn, error

	Catalog iceberg.Catalog `yaml:"-"` // what a section lake has beside its URI, which is in Lake
	named   *connections    // nil: none
}

func defaults() Config {
	return Config{Listen: "127.0.0.1:15432", Admin: "127.0.0.1:15433", Data: "fqgw-data", Online: "embedded", Kafka: "embedded", KafkaTLS: "off",
		Lake: "embedded", Cache: "10GiB", KafkaListen: "127.0.0.1:15434", RedisListen: "127.0.0.1:15435", ClockRate: 1, Connections: 500, Memory: "1GiB", Stream: "1GiB", Sync: "off", Log: "info"}
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
// their weight, and refuses a value that makes no sense, saying where it stands.
// explicit names the options that any of them set. Warnings and the list of
// flags go to out.
func loadConfig(args, environ []string, out io.Writer) (c Config, explicit map[string]bool, rest []string, err error) {
	c = defaults()
	explicit = map[string]bool{}
	env, warnings := c.environment(environ)
	for _, w := range warnings {
		fmt.Fprintln(out, "fqgw: warning: "+w)
	}
	fs := flag.NewFlagSet("fqgw", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	file := fs.String("config", env["config"], "YAML file")
	given := map[string]string{}
	for _, o := range c.options() {
		fs.Func(flagName(o.name), o.usage+shown(o.get()), func(v string) error {
			given[o.name] = v
			return nil
		})
	}
	for short, name := range aliases {
		fs.Func(short, "same as -"+name, func(v string) error { given[name] = v; return nil })
	}
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(out)
		fs.PrintDefaults()
		return c, nil, nil, err
	} else if err != nil {
		return c, nil, nil, unknownFlag(fs, err)
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
		if v := env[o.name]; v != "" {
			explicit[o.name] = true
			if err := o.take(v, envPrefix+strings.ToUpper(o.name)); err != nil {
				return c, nil, nil, err
			}
		}
		if v, ok := given[o.name]; ok {
			explicit[o.name] = true
			if err := o.take(v, "--"+flagName(o.name)); err != nil {
				return c, nil, nil, err
			}
		}
	}
	return c, explicit, fs.Args(), c.check()
}

func flagName(option string) string { return strings.ReplaceAll(option, "_", "-") }

// unknownFlag is the flag package's error, with the nearest name.
func unknownFlag(fs *flag.FlagSet, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return usageError{err}
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return unknownKey("there is no flag --"+name, name, names, func(s string) string { return "--" + s })
}

const envPrefix = "FQGW_"

// kubernetes are the variables that it sets in every pod for a Service called
// fqgw (or fqgw-…), after Docker's links.
var kubernetes = regexp.MustCompile(`(^|_)(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// environment is what FQGW_… variables set, by option, and what to say about
// those that set nothing. Those of tests are nobody's business here.
func (c *Config) environment(environ []string) (values map[string]string, warnings []string) {
	names := []string{"config"}
	for _, o := range c.options() {
		names = append(names, o.name)
	}
	values = map[string]string{}
	var services []string
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		key, ours := strings.CutPrefix(name, envPrefix)
		if !ours || key == "FAULT" || key == "DSN" || strings.HasPrefix(key, "TEST_") {
			continue
		}
		if low := strings.ToLower(key); slices.Contains(names, low) {
			values[low] = value
		} else if kubernetes.MatchString(key) {
			services = append(services, name)
		} else {
			w := fmt.Sprintf("the environment sets the unknown %s, which is ignored", name)
			if near := fqgw.Nearest(low, names); near != "" {
				w += fmt.Sprintf(" (did you mean %q?)", envPrefix+strings.ToUpper(near))
			}
			warnings = append(warnings, w)
		}
	}
	if len(services) > 0 {
		slices.Sort(services)
		warnings = append(warnings, fmt.Sprintf("%s look like Kubernetes' variables of a Service, and are ignored", strings.Join(services, ", ")))
	}
	return values, warnings
}

func unknownKey(what, key string, names []string, show func(string) string) error {
	if near := fqgw.Nearest(key, names); near != "" {
		what += fmt.Sprintf(" (did you mean %q?)", show(near))
	}
	return usageError{errors.New(what)}
}

// readFile sets what a YAML file names; an unknown key is an error with the
// nearest name. No error shows a value that the YAML parser met: it may be secret.
func (c *Config) readFile(path string, explicit map[string]bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return usageError{fmt.Errorf("%s: %w", path, err)}
	}
	if len(doc.Content) == 0 {
		return nil // nothing but comments
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return usageError{fmt.Errorf("%s:%d: it must be keys with values, such as listen: 127.0.0.1:15432", path, root.Line)}
	}
	opts := c.options()
	names := make([]string, len(opts))
	for i, o := range opts {
		names[i] = o.name
	}
	for i := 0; i < len(root.Content); i += 2 {
		key, node := root.Content[i].Value, root.Content[i+1]
		place := fmt.Sprintf("%s:%d", path, root.Content[i].Line)
		if section := c.sections()[key]; node.Kind == yaml.MappingNode && section != nil {
			if err := section(node, settings{options: opts, explicit: explicit, path: path}); err != nil {
				return err
			}
			continue
		}
		if node.Kind == yaml.MappingNode && (key == "lake" || key == "connections") {
			if err := c.readStores(key, node, path); err != nil {
				return err
			}
			if key == "lake" {
				explicit[key] = true
			}
			continue
		}
		at := slices.Index(names, key)
		if at < 0 {
			return unknownKey(fmt.Sprintf("%s: unknown key %q", place, key), key, names, func(s string) string { return s })
		}
		if explicit[key] {
			return usageError{fmt.Errorf("%s: %s stands there twice", place, key)}
		}
		explicit[key] = true
		if node.Kind != yaml.ScalarNode {
			return usageError{fmt.Errorf("%s: %s must be a single value", place, key)}
		}
		text, err := expand(node.Value)
		if err != nil {
			return usageError{fmt.Errorf("%s: %s: %w", place, key, err)}
		}
		if err := opts[at].take(text, place+": "+key); err != nil {
			return err
		}
	}
	return nil
}

// readStores reads a section of the file that describes stores.
func (c *Config) readStores(key string, node *yaml.Node, path string) error {
	place := func(n *yaml.Node) string { return fmt.Sprintf("%s:%d", path, n.Line) }
	if key == "connections" {
		named, err := readConnections(node, place)
		c.named = &named
		return err
	}
	catalog, err := readCatalog(node, place)
	if err != nil {
		return err
	}
	c.Lake, c.Catalog = "embedded", catalog
	if catalog.URI != "" {
		c.Lake = catalog.URI
	}
	return nil
}

// usageError is a mistake in how fqgw was called: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// check refuses values that do not go together; each for itself was looked at
// when it was set.
func (c *Config) check() error {
	at := map[string]string{}
	for _, a := range []struct{ name, addr string }{{"listen", c.Listen}, {"admin", c.Admin}, {"kafka_listen", c.KafkaListen}, {"redis_listen", c.RedisListen}} {
		if strings.HasSuffix(a.addr, ":0") {
			continue // the system chooses
		}
		if other := at[a.addr]; other != "" {
			return usageError{fmt.Errorf("%s and %s are both %s", other, a.name, a.addr)}
		}
		at[a.addr] = a.name
	}
	if err := c.checkKafka(); err != nil {
		return err
	}
	_, err := c.lakeCatalog()
	return err
}

// print writes the configuration as YAML, without secrets.
func (c *Config) print(w io.Writer) error {
	shown := *c
	shown.Online = redacted(c.Online)
	for _, secret := range []*string{&shown.SchemasAuth, &shown.KafkaPass} {
		if *secret != "" && !secure.InFile(*secret) {
			*secret = "xxxxx"
		}
	}
	shown.Data = dataPath(c.Data)
	shown.Lake = redacted(c.Lake)
	var doc yaml.Node
	if err := doc.Encode(&shown); err != nil {
		return err
	}
	if c.Catalog != (iceberg.Catalog{}) {
		for i := 0; i < len(doc.Content); i += 2 {
			if doc.Content[i].Value == "lake" {
				doc.Content[i+1] = shownCatalog(c.Catalog)
			}
		}
	}
	if c.named != nil {
		all := &yaml.Node{Kind: yaml.MappingNode}
		for _, name := range slices.Sorted(maps.Keys(*c.named)) {
			one := shownCatalog((*c.named)[name])
			one.Content = append([]*yaml.Node{{Kind: yaml.ScalarNode, Value: "type"}, {Kind: yaml.ScalarNode, Value: "iceberg"}}, one.Content...)
			all.Content = append(all.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, one)
		}
		doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "connections"}, all)
	}
	enc := yaml.NewEncoder(w)
	defer enc.Close()
	return enc.Encode(&doc)
}
