package app

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fqgw/fqgw/connectors/kafka"
	"github.com/fqgw/fqgw/connectors/secure"
)

func fromFile(t *testing.T, text string, environ []string, args ...string) (Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fqgw.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, _, err := loadConfig(append([]string{"--config", file}, args...), environ, io.Discard)
	return c, err
}

// A section, the flat keys, the environment and the flags say the same; what is shown
// has no secret.
func TestSecureConfig(t *testing.T) {
	t.Setenv("FQGW_TEST_PASSWORD", "a secret one: @/?#")
	want := kafka.Options{Brokers: []string{"a:1", "b:2"}, Login: kafka.Login{Mechanism: "SCRAM-SHA-512", User: "u", Password: "a secret one: @/?#"},
		TLS: &secure.TLS{CA: "ca.pem", Cert: "cert.pem", Key: "key.pem", ServerName: "x"}}
	flat := `
kafka: a:1, b:2
kafka_sasl: SCRAM-SHA-512
kafka_username: u
kafka_password: ${FQGW_TEST_PASSWORD}
kafka_tls: on
kafka_ca: ca.pem
kafka_cert: cert.pem
kafka_key: key.pem
kafka_server_name: x
schema_registry: https://r
schema_registry_credentials: me:${FQGW_TEST_PASSWORD}
`
	section := `
kafka:
  brokers: a:1, b:2
  sasl: {mechanism: SCRAM-SHA-512, username: u, password: "${FQGW_TEST_PASSWORD}"}
  tls: {ca: ca.pem, cert: cert.pem, key: key.pem, server_name: x}
  schema_registry: {url: "https://r", credentials: "me:${FQGW_TEST_PASSWORD}"}
`
	environ := []string{"FQGW_KAFKA=a:1,b:2", "FQGW_KAFKA_SASL=SCRAM-SHA-512", "FQGW_KAFKA_USERNAME=u", "FQGW_KAFKA_PASSWORD=a secret one: @/?#",
		"FQGW_KAFKA_TLS=on", "FQGW_KAFKA_CA=ca.pem", "FQGW_SCHEMA_REGISTRY=https://r", "FQGW_SCHEMA_REGISTRY_CREDENTIALS=me:a secret one: @/?#"}
	args := []string{"--kafka-cert", "cert.pem", "--kafka-key", "key.pem", "--kafka-server-name", "x"}
	for name, load := range map[string]func() (Config, error){
		"flat":    func() (Config, error) { return fromFile(t, flat, nil) },
		"section": func() (Config, error) { return fromFile(t, section, nil) },
		"environment and flags": func() (Config, error) {
			return fromFile(t, "kafka: {brokers: \"else:1\", sasl: {mechanism: PLAIN, username: else, password: secret}}", environ, args...)
		},
	} {
		c, err := load()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := c.kafkaOptions(); !reflect.DeepEqual(got, want) || c.Schemas != "https://r" || c.SchemasAuth != "me:a secret one: @/?#" {
			t.Errorf("%s: %+v, %q, %q", name, got, c.Schemas, c.SchemasAuth)
		}
		var out bytes.Buffer
		if err := c.print(&out); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "secret one") || !strings.Contains(out.String(), "kafka_password: xxxxx") {
			t.Errorf("%s is shown as\n%s", name, &out)
		}
	}
	c, err := fromFile(t, "kafka: {brokers: \"a:1\", sasl: {mechanism: PLAIN, username: u, password: \"file:/run/password\"}, tls: on, schema_registry: \"https://r\"}", nil)
	if o := c.kafkaOptions(); err != nil || *o.TLS != (secure.TLS{}) || o.Login.Password != "file:/run/password" || c.Schemas != "https://r" {
		t.Errorf("%+v, %q, %v", o, c.Schemas, err)
	}
}

// The online store is an address, or a section that becomes one.
func TestOnlineSection(t *testing.T) {
	t.Setenv("FQGW_TEST_PASSWORD", "a secret one: @/?#")
	for text, want := range map[string]string{
		`online: {url: "rediss://h:1/2?pool_size=7", username: u, password: "${FQGW_TEST_PASSWORD}", tls: {server_name: x}}`: "rediss://u:a%20secret%20one%3A%20%40%2F%3F%23@h:1/2?pool_size=7&server_name=x",
		`online: {url: "redis+cluster://a:1,b:2", username: u, password: "file:/run/p w", tls: true}`:                        "rediss+cluster://u@a:1,b:2?password_file=%2Frun%2Fp+w",
		`online: {url: "redis://h:1"}`:                                              "redis://h:1",
		`online: {url: "redis://h:1", password: "${FQGW_TEST_PASSWORD}", tls: off}`: "redis://:a%20secret%20one%3A%20%40%2F%3F%23@h:1",
	} {
		c, err := fromFile(t, text, nil)
		if err != nil || c.Online != want {
			t.Errorf("%s: %q, %v", text, c.Online, err)
		}
		if got := redacted(c.Online); strings.Contains(got, "secret") {
			t.Errorf("%s is shown as %s", text, got)
		}
	}
}

func TestSectionErrors(t *testing.T) {
	for text, want := range map[string]string{
		"kafka:\n  broker: a:1":            `fqgw.yaml:2: unknown key "broker" (did you mean "brokers"?)`,
		"kafka: {brokers: secret}":         "fqgw.yaml:1: brokers: it must be embedded, or host:port",
		"kafka: {tls: on}":                 "kafka lacks its brokers",
		"kafka: {brokers: \"a:1\", tls: }": "tls must be on, off",
		"kafka:\n  brokers: a:1\n  sasl: {mechanism: SCRAM, username: secret}":                                      "fqgw.yaml:3: mechanism: it must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
		"kafka:\n  brokers: a:1\n  sasl: {mecanism: PLAIN}":                                                         `fqgw.yaml:3: unknown key "mecanism" (did you mean "mechanism"?)`,
		"kafka:\n  brokers: a:1\n  tls: {servername: x}":                                                            `fqgw.yaml:3: unknown key "servername" (did you mean "server_name"?)`,
		"kafka:\n  brokers: a:1\n  sasl: {mechanism: PLAIN, username: u, password: \"${FQGW_TEST_NONE}\"}":          "password: the environment has no FQGW_TEST_NONE",
		"kafka:\n  brokers: a:1\n  sasl: {mechanism: PLAIN, username: u}":                                           "kafka_sasl lacks",
		"kafka_password: secret\nkafka:\n  brokers: a:1\n  sasl: {mechanism: PLAIN, username: u, password: secret}": "password: it stands there twice, once as kafka_password",
		"kafka:\n  brokers: a:1\n  sasl: {mechanism: PLAIN, username: u, password: secret}\nkafka_password: secret": "kafka_password stands there twice",
		"kafka: a:1\nkafka_password: secret":                                                                        "are for a login: set kafka_sasl to PLAIN",
		"kafka: a:1\nkafka_ca: x":                                                                                   "set kafka_tls to on",
		"kafka: a:1\nkafka_tls: on\nkafka_cert: x":                                                                  "go together",
		"kafka: a:1\nkafka_paswd: secret":                                                                           `unknown key "kafka_paswd"`,
		"online: {uri: \"redis://h:1\"}":                                                                            `unknown key "uri" (did you mean "url"?)`,
		"online: {username: u}":                                                                                     "it lacks its url",
		"online: {url: \"redis://u:secret@h:1\", username: v}":                                                      "and beside it",
		"online: {url: \"rediss://h:1\", tls: {ca: /none/ca.pem}}":                                                  "/none/ca.pem",
		"online: {url: \"secret\"}":                                                                                 "it has no scheme",
		"schema_registry: {url: \"https://r\", credential: secret}":                                                 `(did you mean "credentials"?)`,
		"schema_registry: https://r\nkafka: {brokers: \"a:1\", schema_registry: \"https://s\"}":                     "stands there twice, once as schema_registry",
	} {
		_, err := fromFile(t, text, nil)
		var wrong usageError
		if err == nil || !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a usage error with %q", text, err, want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s shows a secret: %v", text, err)
		}
	}
}
