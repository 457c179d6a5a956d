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
		{[]string{"--lake", "s3://x"}, nil, "only embedded is built"},
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
