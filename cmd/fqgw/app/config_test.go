package app

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fqgw/fqgw/connectors/iceberg"
)

func TestConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fqgw.yaml")
	if err := os.WriteFile(file, []byte("listen: 127.0.0.1:1\nadmin: 127.0.0.1:2\nmemory: 2GiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, explicit, rest, err := loadConfig([]string{"--config", file, "--admin", "127.0.0.1:4", "rest"},
		[]string{"FQGW_LISTEN=127.0.0.1:3", "FQGW_ADMIN=127.0.0.1:3", "FQGW_TEST_X=1", "PATH=/bin"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:3" || c.Admin != "127.0.0.1:4" || c.Memory != "2GiB" || c.KafkaListen != defaults().KafkaListen || len(rest) != 1 || !explicit["listen"] || explicit["kafka"] {
		t.Errorf("flags beat the environment, which beats the file: %+v, %v, %v", c, explicit, rest)
	}
}

// A value that makes no sense is refused wherever it stands, and the message
// says where; none shows what may be a secret.
func TestConfigErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	bad := write("bad.yaml", "\nlisten: 127.0.0.1:1\nkafkalisten: x\n")
	for _, test := range []struct {
		args, env []string
		want      string
	}{
		{[]string{"--config", bad}, nil, `bad.yaml:3: unknown key "kafkalisten" (did you mean "kafka_listen"?)`},
		{[]string{"--config", write("v.yaml", "# c\nconnections: -5")}, nil, `v.yaml:2: connections: "-5": it must be a whole number from 1`},
		{[]string{"--config", write("l.yaml", "listen: [a, b]")}, nil, `l.yaml:1: listen must be a single value`},
		{[]string{"--config", write("t.yaml", "log: info\nlog: warn")}, nil, `t.yaml:2: log stands there twice`},
		{[]string{"--config", write("s.yaml", "redis://:secret@h:1")}, nil, `s.yaml:1: it must be keys with values`},
		{[]string{"--config", write("e.yaml", "listen:")}, nil, `e.yaml:1: listen: "": it must be host:port`},
		{nil, []string{"FQGW_CONNECTIONS=0"}, `FQGW_CONNECTIONS: "0": it must be a whole number from 1`},
		{[]string{"--connections", "-5"}, nil, `--connections: "-5": it must be a whole number from 1`},
		{[]string{"--connections", "99999999999999999999"}, nil, "whole number"},
		{[]string{"--shards", "-5"}, nil, `--shards: "-5": it must be a whole number from 0 to 16384`},
		{[]string{"--shards", "x"}, nil, "whole number"},
		{[]string{"--listen", "0.0.0.0:1"}, nil, "not a loopback address"},
		{[]string{"--listen", "here"}, nil, `--listen: "here": it must be host:port`},
		{[]string{"--listen", ""}, nil, `--listen: "": it must be host:port`},
		{[]string{"--listen", "127.0.0.1:99999"}, nil, "port must be a number"},
		{[]string{"--admin", "localhost:http"}, nil, "port must be a number"},
		{[]string{"--listen", "127.0.0.1:7", "--admin", "127.0.0.1:7"}, nil, "listen and admin are both 127.0.0.1:7"},
		{[]string{"--data", " "}, nil, "path of a directory"},
		{[]string{"--kafka", "user:secret@b:9092"}, nil, "--kafka: it must be embedded, or host:port of the brokers"},
		{[]string{"--kafka", "b"}, nil, "host:port of the brokers"},
		{[]string{"--kafka", "b:0"}, nil, "host:port of the brokers"},
		{nil, []string{"FQGW_ONLINE=redis://u:secret@h:port"}, "FQGW_ONLINE: the URL of the online store cannot be used"},
		{[]string{"--redis", "u:secret@h:1"}, nil, "--online: the URL of the online store cannot be used: it has no scheme. Known forms"},
		{[]string{"--lake", "s3://u:secret@x"}, nil, "--lake: it must be embedded, the http"},
		{[]string{"--lake", "postgres://u:secret@h:port/d"}, nil, "--lake: it is not a URL"},
		{[]string{"--lake", "mine"}, nil, `lake: there is no connection called "mine"`},
		{[]string{"--config", write("k.yaml", "lake:\n  uri: http://h\n  s3:\n    acces_key_id: x")}, nil,
			`k.yaml:4: unknown key "acces_key_id" (did you mean "access_key_id"?)`},
		{[]string{"--config", write("h.yaml", "lake:\n  uri: http://h\n  s3: {access_key_id: secret}")}, nil, "h.yaml:2: the key of S3 lacks its other half"},
		{[]string{"--config", write("o.yaml", "lake:\n  uri: http://h\n  timeout: secret")}, nil, "o.yaml:3: timeout: it must be a duration"},
		{[]string{"--config", write("n.yaml", "lake:\n  uri: http://h\n  token: ${FQGW_TEST_NONE}")}, nil, "n.yaml:3: token: the environment has no FQGW_TEST_NONE"},
		{[]string{"--config", write("u.yaml", "lake: {uri: s3://secret}")}, nil, "u.yaml:1: uri: it must be embedded, the http"},
		{[]string{"--config", write("c.yaml", "connections:\n  a: {type: redis, uri: secret}")}, nil, "c.yaml:2: the type of a connection must be iceberg"},
		{[]string{"--config", write("d.yaml", "connections:\n  a/b: {type: iceberg}")}, nil, "d.yaml:2: a connection cannot be called so"},
		{[]string{"--memory", "much"}, nil, "such as 512MiB"},
		{[]string{"--memory", "0"}, nil, "at least 64KiB"},
		{[]string{"--stream-memory", "15MiB"}, nil, "at least 16MiB"},
		{[]string{"--memory", "-1GiB"}, nil, "at least 64KiB"},
		{[]string{"--memory", "9999999999GiB"}, nil, "more than any machine has"},
		{[]string{"--clock", "soon"}, nil, "--clock"},
		{[]string{"--clock", "infinity"}, nil, "cannot stand"},
		{[]string{"--clock-rate", "-1"}, nil, "from 0 to"},
		{[]string{"--clock-rate", "NaN"}, nil, `--clock-rate: "NaN": it must be a number from 0 to`},
		{[]string{"--clock-rate", "inf"}, nil, "from 0 to"},
		{[]string{"--sync", "maybe"}, nil, "it must be on or off"},
		{[]string{"--log", "loud"}, nil, "debug, info, warn or error"},
		{[]string{"--nonsense"}, nil, "there is no flag --nonsense"},
		{[]string{"--lisen", "x"}, nil, `there is no flag --lisen (did you mean "--listen"?)`},
		{[]string{"--kafka_listen", "x"}, nil, `(did you mean "--kafka-listen"?)`},
	} {
		_, _, _, err := loadConfig(test.args, test.env, io.Discard)
		var wrong usageError
		if err == nil || !errors.As(err, &wrong) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v %v: %v, want a usage error with %q", test.args, test.env, err, test.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v shows a secret: %v", test.args, err)
		}
	}
	if _, _, _, err := loadConfig([]string{"-h"}, nil, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

// The lake is a section, a connection or an address; none of them shows a secret.
func TestConfigLake(t *testing.T) {
	t.Setenv("FQGW_TEST_TOKEN", "token")
	dir := t.TempDir()
	load := func(text string, args ...string) (*Config, string) {
		t.Helper()
		file := filepath.Join(dir, "fqgw.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, _, err := loadConfig(append([]string{"--config", file}, args...), nil, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := c.print(&out); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "secret") && !strings.Contains(out.String(), "secret_access_key: xxxxx") || strings.Contains(out.String(), "secret token") {
			t.Errorf("shown with a secret:\n%s", &out)
		}
		return &c, out.String()
	}
	section := `lake:
  uri: https://catalog/api
  warehouse: w
  token: secret ${FQGW_TEST_TOKEN}
  timeout: 5s
  s3: {endpoint: "http://store:9000", region: eu, access_key_id: key, secret_access_key: a secret one, path_style: true}
`
	want := iceberg.Catalog{URI: "https://catalog/api", Warehouse: "w", Token: "secret token", Patience: 5 * time.Second,
		S3: iceberg.S3{Endpoint: "http://store:9000", Region: "eu", AccessKey: "key", SecretKey: "a secret one", PathStyle: "true"}}
	c, shown := load(section)
	if got, err := c.lakeCatalog(); got != want || err != nil {
		t.Errorf("a section: %+v, %v", got, err)
	}
	for _, line := range []string{"uri: https://catalog/api", "token: xxxxx", "timeout: 5s", "access_key_id: key", "secret_access_key: xxxxx"} {
		if !strings.Contains(shown, line) {
			t.Errorf("%q is not shown:\n%s", line, shown)
		}
	}
	named := strings.ReplaceAll(strings.Replace(section, "lake:", "connections:\n  main:\n    type: iceberg", 1), "\n  ", "\n    ")
	named = "lake: main\n" + strings.Replace(named, "\n    main:\n      type", "\n  main:\n    type", 1)
	c, shown = load(named, "--lake-warehouse", "v")
	want.Warehouse = "v"
	if got, err := c.lakeCatalog(); got != want || err != nil || !strings.Contains(shown, "main:") {
		t.Errorf("a connection: %+v, %v\n%s", got, err, shown)
	}
	c, shown = load(section+"connections: 7\n", "--lake", "postgres://u:secret@h/d")
	if got, err := c.lakeCatalog(); got != (iceberg.Catalog{URI: "postgres://u:secret@h/d"}) || err != nil || c.Connections != 7 || !strings.Contains(shown, "postgres://u:xxxxx@h/d") {
		t.Errorf("a flag takes the place of a section: %+v, %v\n%s", got, err, shown)
	}
}

// Kubernetes sets these in every pod beside a Service that is called fqgw; they
// set nothing here, and an unknown name is no reason not to start.
func TestConfigEnvironment(t *testing.T) {
	var out bytes.Buffer
	c, explicit, _, err := loadConfig(nil, []string{"FQGW_PORT=tcp://10.0.0.1:5432", "FQGW_SERVICE_HOST=10.0.0.1", "FQGW_SERVICE_PORT=5432",
		"FQGW_SERVICE_PORT_PSQL=5432", "FQGW_PORT_5432_TCP=tcp://10.0.0.1:5432", "FQGW_PORT_5432_TCP_ADDR=10.0.0.1", "FQGW_KAFKA_SERVICE_HOST=10.0.0.2",
		"FQGW_LISEN=127.0.0.1:1", "FQGW_SHARDS=", "FQGW_TEST_X=1"}, &out)
	if err != nil || c != defaults() || len(explicit) > 0 {
		t.Errorf("%+v, %v, %v", c, explicit, err)
	}
	want := `fqgw: warning: the environment sets the unknown FQGW_LISEN, which is ignored (did you mean "FQGW_LISTEN"?)
fqgw: warning: FQGW_KAFKA_SERVICE_HOST, FQGW_PORT, FQGW_PORT_5432_TCP, FQGW_PORT_5432_TCP_ADDR, FQGW_SERVICE_HOST, FQGW_SERVICE_PORT, ` +
		`FQGW_SERVICE_PORT_PSQL look like Kubernetes' variables of a Service, and are ignored
`
	if out.String() != want {
		t.Errorf("it says\n%s", &out)
	}
}

func TestRedacted(t *testing.T) {
	for in, want := range map[string]string{
		"redis://h:1": "redis://h:1", "redis://u:pw@h:1/2": "redis://u:xxxxx@h:1/2", "rediss://:p@w@h:1": "rediss://:xxxxx@h:1",
		"redis+cluster://u:pw@a:1,b:2": "redis+cluster://u:xxxxx@a:1,b:2", "redis+sentinel://m:pw@[::1]:1,b:bad": "redis+sentinel://m:xxxxx@[::1]:1,b:bad",
		"redis+sentinel://a:1/m?sentinel_password=pw&pool_size=3": "redis+sentinel://a:1/m?sentinel_password=xxxxx&pool_size=3", "embedded": "embedded",
	} {
		if got := redacted(in); got != want {
			t.Errorf("%s is shown as %s, not %s", in, got, want)
		}
	}
}

func TestCommands(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "fqgw serve"}, {"-h", 0, "fqgw serve"}, {"version", 0, "fqgw "}, {"--version", 0, "fqgw "},
		{"serv", 2, `did you mean "serve"?`}, {"serve x", 2, `unexpected argument "x"`}, {"test --help", 0, "usage: fqgw test"},
		{"test", 2, "no *.test files"}, {"test -x", 2, "no flag -x"}, {"config --online redis://u:secret@h:1", 0, "redis://u:xxxxx@h:1"},
		{"serve -h", 0, "-kafka-listen"},
	} {
		var out bytes.Buffer
		if code := Main(context.Background(), strings.Fields(test.args), &out, &out); code != test.code || !strings.Contains(out.String(), test.want) {
			t.Errorf("fqgw %s: code %d, want %d with %q:\n%s", test.args, code, test.code, test.want, &out)
		}
	}
}

// TestSchemaRegistry: its credentials are never shown, a file that has them is.
func TestSchemaRegistry(t *testing.T) {
	for credentials, want := range map[string]string{"me:s3cret": "xxxxx", "s3cret": "xxxxx", "file:/run/registry": "file:/run/registry", "": `""`} {
		c, _, _, err := loadConfig([]string{"--schema-registry", "https://a, http://b:8081/api"}, []string{"FQGW_SCHEMA_REGISTRY_CREDENTIALS=" + credentials}, io.Discard)
		if err != nil || c.SchemasAuth != credentials {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := c.print(&out); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); strings.Contains(text, "s3cret") || !strings.Contains(text, "schema_registry_credentials: "+want+"\n") || !strings.Contains(text, "schema_registry: https://a, http://b:8081/api") {
			t.Errorf("it is shown as\n%s", text)
		}
	}
	for _, bad := range []string{"registry:8081", "http://me:s3cret@registry"} {
		if _, _, _, err := loadConfig([]string{"--schema-registry", bad}, nil, io.Discard); err == nil {
			t.Errorf("%s is taken", bad)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("a password is shown: %v", err)
		}
	}
}
