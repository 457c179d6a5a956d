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

func TestConfigErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("\nlisten: 127.0.0.1:1\nkafkalisten: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args, env []string
		want      string
	}{
		{nil, []string{"FQGW_LISEN=x"}, `FQGW_LISEN (did you mean "FQGW_LISTEN"?)`},
		{[]string{"--config", file}, nil, `bad.yaml:3: unknown key "kafkalisten" (did you mean "kafka_listen"?)`},
		{[]string{"--listen", "0.0.0.0:1"}, nil, "not a loopback address"},
		{[]string{"--listen", "here"}, nil, `listen: "here" is no address`},
		{[]string{"--kafka", "user:secret@b:9092"}, nil, "host:port of the brokers"},
		{[]string{"--kafka", "b"}, nil, "host:port of the brokers"},
		{[]string{"--memory", "much"}, nil, "such as 512MiB"},
		{[]string{"--clock", "soon"}, nil, "clock"},
		{[]string{"--clock-rate", "-1"}, nil, "0 or more"},
		{[]string{"--shards", "x"}, nil, "whole number"},
		{[]string{"--nonsense"}, nil, "nonsense"},
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
