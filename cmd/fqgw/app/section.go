package app

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fqgw/fqgw/connectors/kafka"
	"github.com/fqgw/fqgw/connectors/secure"
)

// settings are the options that sections of the file set, by names of their own.
type settings struct {
	options  []option
	explicit map[string]bool
	path     string
}

func (s settings) place(n *yaml.Node) string { return fmt.Sprintf("%s:%d", s.path, n.Line) }

// sections are the keys that may be several, instead of one text.
func (c *Config) sections() map[string]func(*yaml.Node, settings) error {
	return map[string]func(*yaml.Node, settings) error{"kafka": c.readKafka, "schema_registry": readSchemaRegistry, "online": readOnline}
}

// set sets an option that may stand in the file once, there or in a section.
func (s settings) set(name, value string) error {
	if s.explicit[name] {
		return fmt.Errorf("it stands there twice, once as %s", name)
	}
	s.explicit[name] = true
	at := slices.IndexFunc(s.options, func(o option) bool { return o.name == name })
	return s.options[at].set(value)
}

// as is a key of a section that sets an option.
func (s settings) as(key, option string) field {
	return field{name: key, value: new(string), check: func(v string) error { return s.set(option, v) }}
}

// readKafka reads {brokers, sasl: {…}, tls: {…}, schema_registry}.
func (c *Config) readKafka(node *yaml.Node, s settings) error {
	err := readSection(node, s.place, []field{s.as("brokers", "kafka")}, func(key string, value *yaml.Node) (bool, error) {
		switch key {
		case "sasl":
			return true, readSection(value, s.place, []field{s.as("mechanism", "kafka_sasl"), s.as("username", "kafka_username"), s.as("password", "kafka_password")}, nil)
		case "tls":
			fields := []field{s.as("ca", "kafka_ca"), s.as("cert", "kafka_cert"), s.as("key", "kafka_key"), s.as("server_name", "kafka_server_name")}
			return true, s.tls(value, fields, func(on string) error { return s.set("kafka_tls", on) })
		case "schema_registry":
			if value.Kind == yaml.MappingNode {
				return true, readSchemaRegistry(value, s)
			}
			text, err := expand(value.Value)
			if err == nil {
				err = s.set("schema_registry", text)
			}
			if err != nil {
				return true, usageError{fmt.Errorf("%s: schema_registry: %w", s.place(value), err)}
			}
			return true, nil
		}
		return false, nil
	}, "sasl", "tls", "schema_registry")
	if err == nil && !s.explicit["kafka"] {
		err = usageError{fmt.Errorf("%s: kafka lacks its brokers", s.place(node))}
	}
	return err
}

// tls reads on, off, or the files of a connection with TLS.
func (s settings) tls(node *yaml.Node, fields []field, set func(string) error) error {
	on := "on"
	if node.Kind == yaml.ScalarNode {
		switch node.Value {
		case "on", "true":
		case "off", "false":
			on = "off"
		default:
			return usageError{fmt.Errorf("%s: tls must be on, off, or have the keys ca, cert, key, server_name", s.place(node))}
		}
	} else if err := readSection(node, s.place, fields, nil); err != nil {
		return err
	}
	if err := set(on); err != nil {
		return usageError{fmt.Errorf("%s: tls: %w", s.place(node), err)}
	}
	return nil
}

// readSchemaRegistry reads {url, credentials, ca}.
func readSchemaRegistry(node *yaml.Node, s settings) error {
	return readSection(node, s.place, []field{s.as("url", "schema_registry"), s.as("credentials", "schema_registry_credentials"),
		s.as("ca", "schema_registry_ca")}, nil)
}

// readOnline reads {url, username, password, tls: {…}} into one URL.
func readOnline(node *yaml.Node, s settings) error {
	var address, user, password, ca, cert, key, name string
	tls := "off"
	err := readSection(node, s.place, []field{{"url", &address, onlineStore, true}, {"username", &user, nil, false}, {"password", &password, nil, true}},
		func(k string, value *yaml.Node) (bool, error) {
			if k != "tls" {
				return false, nil
			}
			return true, s.tls(value, []field{{"ca", &ca, nil, false}, {"cert", &cert, nil, false}, {"key", &key, nil, false}, {"server_name", &name, nil, false}},
				func(on string) error { tls = on; return nil })
		}, "tls")
	if err != nil {
		return err
	}
	params := url.Values{}
	for k, v := range map[string]string{"ca": ca, "cert": cert, "key": key, "server_name": name} {
		if v != "" {
			params.Set(k, v)
		}
	}
	if file, ok := strings.CutPrefix(password, secure.FilePrefix); ok {
		params.Set("password_file", file)
		password = ""
	}
	if address, err = withLogin(address, user, password, tls == "on", params); err == nil {
		err = s.set("online", address)
	}
	if err != nil {
		return usageError{fmt.Errorf("%s: online: %w", s.place(node), err)}
	}
	return nil
}

// withLogin puts into the URL of a store what stands beside it. No error shows it.
func withLogin(address, user, password string, tls bool, params url.Values) (string, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return "", errors.New("it lacks its url, such as rediss://host:6379")
	}
	if tls && !strings.HasPrefix(scheme, "rediss") {
		scheme = strings.Replace(scheme, "redis", "rediss", 1)
	}
	if user != "" || password != "" {
		if strings.Contains(rest, "@") {
			return "", errors.New("the user stands in the url, and beside it")
		}
		login := url.User(user)
		if password != "" {
			login = url.UserPassword(user, password)
		}
		rest = login.String() + "@" + rest
	}
	if len(params) > 0 {
		sep := "?"
		if strings.Contains(rest, "?") {
			sep = "&"
		}
		rest += sep + params.Encode()
	}
	return scheme + "://" + rest, nil
}

// mechanism takes a mechanism of SASL, or nothing.
func mechanism(v string) error {
	if v == "" {
		return nil
	}
	return oneOf(kafka.Mechanisms...)(v)
}

// checkKafka refuses settings of Kafka that lack their other half.
func (c *Config) checkKafka() error {
	switch {
	case c.Kafka == "embedded":
	case c.KafkaSASL == "" && (c.KafkaUser != "" || c.KafkaPass != ""):
		return usageError{fmt.Errorf("kafka_username and kafka_password are for a login: set kafka_sasl to %s", strings.Join(kafka.Mechanisms, ", "))}
	case c.KafkaSASL != "" && (c.KafkaUser == "" || c.KafkaPass == ""):
		return usageError{errors.New("kafka_sasl lacks kafka_username or kafka_password")}
	case c.KafkaTLS == "off" && (c.KafkaCA != "" || c.KafkaCert != "" || c.KafkaKey != "" || c.KafkaServer != ""):
		return usageError{errors.New("kafka_ca, kafka_cert, kafka_key and kafka_server_name are for TLS: set kafka_tls to on")}
	case (c.KafkaCert == "") != (c.KafkaKey == ""):
		return usageError{errors.New("kafka_cert and kafka_key go together")}
	}
	return nil
}

// kafkaOptions say how to reach the brokers that are configured.
func (c *Config) kafkaOptions() kafka.Options {
	o := kafka.Options{Brokers: strings.Split(c.Kafka, ","), Login: kafka.Login{Mechanism: c.KafkaSASL, User: c.KafkaUser, Password: c.KafkaPass}}
	for i, b := range o.Brokers {
		o.Brokers[i] = strings.TrimSpace(b)
	}
	if c.KafkaTLS == "on" {
		o.TLS = &secure.TLS{CA: c.KafkaCA, Cert: c.KafkaCert, Key: c.KafkaKey, ServerName: c.KafkaServer}
	}
	return o
}
