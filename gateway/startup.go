package gateway

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner"
)

// Codes of the packets that come before a startup packet.
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSS    = 80877104
)

// maxStartup is the greatest startup packet that PostgreSQL takes too.
const maxStartup = 10_000

var errCancelRequest = errors.New("gateway: the connection was a cancel request")

// startup reads the packets up to the session's beginning and opens the
// session. pgproto3 refuses startup packets of other minor versions than it
// knows, so they are read here and answered with NegotiateProtocolVersion.
func (c *conn) startup() error {
	for {
		code, body, err := c.startupPacket()
		if err != nil {
			return err
		}
		switch {
		case code == codeSSL || code == codeGSS:
			// Nothing may be buffered behind the request (CVE-2021-23222).
			if c.in.Buffered() > 0 {
				return fqgw.Errorf(fqgw.CodeProtocolViolation, "received unencrypted data after SSL request")
			}
			if _, err := c.net.Write([]byte{'N'}); err != nil {
				return err
			}
		case code == codeCancel:
			if len(body) >= 8 {
				c.server.cancel(int32(binary.BigEndian.Uint32(body)), body[4:])
			}
			return errCancelRequest
		case code>>16 == 3:
			return c.open(code&0xffff, body)
		default:
			return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "unsupported frontend protocol %d.%d: server supports 3.0 to 3.0", code>>16, code&0xffff)
		}
	}
}

func (c *conn) startupPacket() (code uint32, body []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(c.in, head[:4]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[:4])
	if size < 8 || size > maxStartup {
		return 0, nil, fqgw.Errorf(fqgw.CodeProtocolViolation, "invalid length of startup packet")
	}
	body = make([]byte, size-4)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return 0, nil, err
	}
	return binary.BigEndian.Uint32(body), body[4:], nil
}

// open reads the parameters of a startup packet and answers it.
func (c *conn) open(minor uint32, body []byte) error {
	params, unknown, err := startupParams(body)
	if err != nil {
		return err
	}
	if minor > 0 || len(unknown) > 0 {
		c.out.Send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: 3 << 16, UnrecognizedOptions: unknown})
	}
	user := params["user"]
	if user == "" {
		return fqgw.Errorf("28000", "no PostgreSQL user name specified in startup packet")
	}
	database := params["database"]
	if database == "" {
		database = user
	}
	delete(params, "user")
	delete(params, "database")
	if params["replication"] != "" && params["replication"] != "false" {
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "replication connections are not supported")
	}
	delete(params, "replication")
	if !c.server.begins(c) {
		return tooMany()
	}
	c.session, err = c.server.o.Planner.NewSession(planner.SessionOptions{User: user, Database: database, Params: params, PID: c.pid, Client: c.net.RemoteAddr().String(),
		Notice: c.notice,
		Cancel: func(terminate bool) {
			if terminate {
				c.shutdown()
			}
			c.cancelStatement()
		}})
	if err != nil {
		return err
	}
	c.out.Send(&pgproto3.AuthenticationOk{})
	c.parameters()
	c.out.Send(&pgproto3.BackendKeyData{ProcessID: uint32(c.pid), SecretKey: c.secret[:]})
	return nil
}

// startupParams reads name and value pairs; the switches of "options" become
// parameters too. unknown are the protocol options (_pq_.) that fqgw has not.
func startupParams(body []byte) (params map[string]string, unknown []string, err error) {
	bad := fqgw.Errorf(fqgw.CodeProtocolViolation, "invalid startup packet layout: expected terminator as last byte")
	params = map[string]string{}
	fields := strings.Split(string(body), "\x00")
	if len(fields) < 2 || fields[len(fields)-1] != "" {
		return nil, nil, bad
	}
	fields = fields[:len(fields)-1]
	for len(fields) > 0 && fields[0] != "" {
		if len(fields) < 2 {
			return nil, nil, bad
		}
		name, value := fields[0], fields[1]
		fields = fields[2:]
		switch {
		case strings.HasPrefix(name, "_pq_."):
			unknown = append(unknown, name)
		case name == "options":
			if err := optionSwitches(value, params); err != nil {
				return nil, nil, err
			}
		default:
			params[name] = value
		}
	}
	return params, unknown, nil
}

// optionSwitches reads "-c name=value --name=value" with backslash escapes.
func optionSwitches(text string, params map[string]string) error {
	var words []string
	var word strings.Builder
	in := false
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
			in = true
		case ch == ' ' || ch == '\t' || ch == '\n':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteByte(ch)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "-c" && i+1 < len(words):
			i++
			w = words[i]
		case strings.HasPrefix(w, "-c"):
			w = w[2:]
		case strings.HasPrefix(w, "--"):
			w = strings.ReplaceAll(w[2:], "-", "_")
		default:
			return fqgw.Errorf(fqgw.CodeSyntax, "invalid command-line argument for server process: %s", w)
		}
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return fqgw.Errorf(fqgw.CodeSyntax, "-c %s requires a value", name)
		}
		params[name] = value
	}
	return nil
}
