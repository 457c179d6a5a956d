package app

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fqgw/fqgw/connectors/iceberg"
)

// connections are what the YAML file says under connections, by name: where other
// stores are, with their secrets.
type connections map[string]iceberg.Catalog

// connectionName is how one is called; a name cannot be taken for an address.
var connectionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// field is one key of a section.
type field struct {
	name   string
	value  *string
	check  func(string) error // nil: anything
	secret bool
}

func catalogFields(c *iceberg.Catalog, patience *string) (top, s3 []field) {
	boolean := oneOf("true", "false")
	top = []field{
		{
			"uri",
			&c.URI,
			iceberg.CheckURI,
			true,
		}, {"warehouse", &c.Warehouse, nil, false}, {"name", &c.Name, nil, false}, {"prefix", &c.Prefix, nil, false},
		{
			"token",
			&c.Token,
			nil,
			true,
		}, {"credential", &c.Credential, nil, true}, {"oauth2_server_uri", &c.TokenURI, iceberg.CheckTokenURI, false},
		{"scope", &c.Scope, nil, false}, {"timeout", patience, timeout, false},
	}
	s3 = []field{
		{"endpoint", &c.S3.Endpoint, endpoint, false}, {"region", &c.S3.Region, nil, false}, {"access_key_id", &c.S3.AccessKey, nil, false},
		{
			"secret_access_key",
			&c.S3.SecretKey,
			nil,
			true,
		}, {"session_token", &c.S3.SessionToken, nil, true}, {"profile", &c.S3.Profile, nil, false},
		{
			"credentials_file",
			&c.S3.CredentialsFile,
			nil,
			false,
		}, {"path_style", &c.S3.PathStyle, boolean, false}, {"compat", &c.S3.Compat, boolean, false},
	}
	return top, s3
}

// readCatalog reads a section that describes an Iceberg catalog. No error shows a value.
func readCatalog(node *yaml.Node, place func(*yaml.Node) string, also ...string) (c iceberg.Catalog, err error) {
	var patience string
	top, s3 := catalogFields(&c, &patience)
	err = readSection(node, place, top, func(key string, value *yaml.Node) (bool, error) {
		if key == "s3" {
			return true, readSection(value, place, s3, nil)
		}
		return slices.Contains(also, key), nil
	}, append(also, "s3")...)
	if err != nil {
		return c, err
	}
	c.Patience, _ = time.ParseDuration(patience)
	if (c.S3.AccessKey == "") != (c.S3.SecretKey == "") {
		return c, usageError{fmt.Errorf("%s: the key of S3 lacks its other half", place(node))}
	}
	return c, nil
}

// readSection sets the fields that a mapping names; other is told of the keys of more.
func readSection(
	node *yaml.Node,
	place func(*yaml.Node) string,
	fields []field,
	other func(string, *yaml.Node) (bool, error),
	more ...string,
) error {
	if node.Kind != yaml.MappingNode {
		return usageError{fmt.Errorf("%s: it must be keys with values", place(node))}
	}
	seen := map[string]bool{}
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i].Value, node.Content[i+1]
		at := place(node.Content[i])
		if seen[key] {
			return usageError{fmt.Errorf("%s: %s stands there twice", at, key)}
		}
		seen[key] = true
		if other != nil {
			if ok, err := other(key, value); ok || err != nil {
				if err != nil {
					return err
				}
				continue
			}
		}
		n := slices.IndexFunc(fields, func(f field) bool { return f.name == key })
		if n < 0 {
			names := slices.Clone(more)
			for _, f := range fields {
				names = append(names, f.name)
			}
			return unknownKey(fmt.Sprintf("%s: unknown key %q", at, key), key, names, func(s string) string { return s })
		}
		if value.Kind != yaml.ScalarNode {
			return usageError{fmt.Errorf("%s: %s must be a single value", at, key)}
		}
		text, err := expand(value.Value)
		if err == nil && fields[n].check != nil {
			err = fields[n].check(text)
		}
		if err != nil {
			return usageError{fmt.Errorf("%s: %s: %w", at, key, err)}
		}
		*fields[n].value = text
	}
	return nil
}

// variable is ${NAME} within a value.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand puts the environment's variables in the places of ${NAME}.
func expand(text string) (string, error) {
	var err error
	out := variable.ReplaceAllStringFunc(text, func(v string) string {
		name := v[2 : len(v)-1]
		value := os.Getenv(name)
		if value == "" && err == nil {
			err = fmt.Errorf("the environment has no %s", name)
		}
		return value
	})
	return out, err
}

// readConnections reads the section connections: each has a type and what that type has.
func readConnections(node *yaml.Node, place func(*yaml.Node) string) (connections, error) {
	out := connections{}
	for i := 0; i < len(node.Content); i += 2 {
		name, value := node.Content[i].Value, node.Content[i+1]
		at := place(node.Content[i])
		if _, twice := out[name]; twice {
			return nil, usageError{fmt.Errorf("%s: %s stands there twice", at, name)}
		}
		if !connectionName.MatchString(name) || name == "embedded" {
			return nil, usageError{fmt.Errorf("%s: a connection cannot be called so: letters, digits, _ and - are for names", at)}
		}
		if value.Kind != yaml.MappingNode {
			return nil, usageError{fmt.Errorf("%s: it must be keys with values, type: iceberg among them", at)}
		}
		kind := ""
		for j := 0; j < len(value.Content); j += 2 {
			if value.Content[j].Value == "type" {
				kind = value.Content[j+1].Value
			}
		}
		if kind != "iceberg" {
			return nil, usageError{fmt.Errorf("%s: the type of a connection must be iceberg", at)}
		}
		c, err := readCatalog(value, place, "type")
		if err != nil {
			return nil, err
		}
		out[name] = c
	}
	return out, nil
}

// shownCatalog is a catalog as it stands in the file, without its secrets.
func shownCatalog(c iceberg.Catalog) *yaml.Node {
	patience := ""
	if c.Patience > 0 {
		patience = c.Patience.String()
	}
	top, s3 := catalogFields(&c, &patience)
	mapping := func(fields []field) *yaml.Node {
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range fields {
			v := *f.value
			switch {
			case v == "":
				continue
			case f.name == "uri":
				v = redacted(v)
			case f.secret:
				v = "xxxxx"
			}
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: f.name}, &yaml.Node{Kind: yaml.ScalarNode, Value: v})
		}
		return n
	}
	out := mapping(top)
	if n := mapping(s3); len(n.Content) > 0 {
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "s3"}, n)
	}
	return out
}

func timeout(v string) error {
	if d, err := time.ParseDuration(v); err != nil || d < 100*time.Millisecond || d > time.Hour {
		return errors.New("it must be a duration from 100ms to 1h, such as 20s")
	}
	return nil
}

func endpoint(v string) error {
	if iceberg.CheckTokenURI(v) != nil {
		return errors.New("it must be an http:// or https:// URL")
	}
	return nil
}

// lakeAddress takes embedded, the URI of a catalog or the name of a connection.
func lakeAddress(v string) error {
	if v == "embedded" || connectionName.MatchString(v) {
		return nil
	}
	return iceberg.CheckURI(v)
}

// lakeCatalog is the catalog of the lake.
func (c *Config) lakeCatalog() (iceberg.Catalog, error) {
	out := c.Catalog
	switch {
	case c.Lake == "embedded":
	case connectionName.MatchString(c.Lake):
		named, ok := iceberg.Catalog{}, false
		if c.named != nil {
			named, ok = (*c.named)[c.Lake]
		}
		if !ok {
			return out, usageError{fmt.Errorf("lake: there is no connection called %q in the configuration file", c.Lake)}
		}
		out = named
	default:
		out.URI = c.Lake
	}
	if c.Warehouse != "" {
		out.Warehouse = c.Warehouse
	}
	return out, nil
}
