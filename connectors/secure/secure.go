// Package secure is how connections to other servers are proven: certificates and
// passwords, from files that may be replaced while the process runs.
package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
)

// FilePrefix stands before the path of a file that has a secret.
const FilePrefix = "file:"

// InFile says whether a secret stands in a file; its path may be shown.
func InFile(text string) bool { return strings.HasPrefix(text, FilePrefix) }

// Secret is text, or what the file has that it names as file:PATH, without white
// space around it. One that cannot be read, or is empty, is 08006, for it may be in the
// midst of being replaced. No error shows a secret.
func Secret(text string) (string, error) {
	path, ok := strings.CutPrefix(text, FilePrefix)
	if !ok {
		return text, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", wrap(fqgw.CodeConnectionFailure, err, "the file of a secret cannot be read: %s", path).WithHint("%s", hintFile)
	}
	secret := strings.TrimSpace(string(content))
	if secret == "" {
		return "", fqgw.Errorf(fqgw.CodeConnectionFailure, "the file of a secret is empty: %s", path).WithHint("%s", hintFile)
	}
	return secret, nil
}

const hintFile = "It is read for every connection: what waits for it goes on when it is there."

// TLS names PEM files, which are read for every connection.
type TLS struct {
	CA         string // of who signs the server's certificate; "": those of the system
	Cert, Key  string // of the client; "": none
	ServerName string // that the server's certificate must have; "": the host that is dialled
	Unchecked  bool   // any certificate of the server will do
}

// Config is for a connection to a host. A file that cannot be used is 22023.
func (t TLS) Config(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.Unchecked}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, wrap(fqgw.CodeInvalidParameter, err, "the file of the CA's certificate cannot be read: %s", t.CA)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "%s has no certificate in PEM", t.CA)
		}
	}
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "a certificate of the client and its key go together")
	case t.Cert != "":
		// The library's errors name a file at most, never what is in it.
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, wrap(fqgw.CodeInvalidParameter, err, "the client's certificate %s with the key %s cannot be used: %v", t.Cert, t.Key, err).
				WithHint("Both are PEM files; the key has no passphrase.")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Dial connects to an address and shakes hands, in so much time for all of it. Trouble
// with a certificate is an *fqgw.Error that names the address.
func (t TLS) Dial(ctx context.Context, network, address string, within time.Duration) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	config, err := t.Config(host)
	if err != nil {
		// It was good when the client was made: the files are being replaced.
		e := *fqgw.AsError(err)
		e.Code, e.Hint = fqgw.CodeConnectionFailure, hintFile
		return nil, &e
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3}}
	raw, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		if e := Refused(address, err); e != nil {
			return nil, e
		}
		return nil, err
	}
	return conn, nil
}

// Refused is err as trouble of TLS with a server, nil if it is none: 08006 where the
// server's certificate is not good, 28000 where the server does not take the client's,
// which TLS 1.3 says no sooner than with the first answer.
func Refused(server string, err error) *fqgw.Error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &record):
		return wrap(fqgw.CodeConnectionFailure, err, "%s does not speak TLS", server).WithHint("Is it the port of the listener with TLS?")
	case errors.As(err, &host):
		return wrap(fqgw.CodeConnectionFailure, err, "the certificate of %s is for another name: %v", server, host).
			WithHint("Connect by a name that is in it, or set server_name to one.")
	case errors.As(err, &unknown):
		return wrap(fqgw.CodeConnectionFailure, err, "the certificate of %s is signed by somebody unknown", server).
			WithHint("Set ca to a PEM file with the certificate of who signs it.")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return wrap(fqgw.CodeConnectionFailure, err, "the certificate of %s has expired or is not yet valid: %s", server, invalid.Detail).
			WithHint("The server needs a new one; what waits goes on when it has it.")
	case errors.As(err, &verify):
		return wrap(fqgw.CodeConnectionFailure, err, "the certificate of %s is not good: %v", server, verify.Err)
	case errors.As(err, &op) && op.Op == "remote error":
		return wrap("28000", err, "%s refuses the TLS connection: %v", server, op.Err).
			WithHint("Is the client's certificate (cert, key) there, valid, and signed by somebody whom the server knows? What waits goes on when it is replaced.")
	}
	return nil
}

func wrap(code fqgw.Code, cause error, format string, args ...any) *fqgw.Error {
	e := fqgw.Errorf(code, format, args...)
	e.Err = cause
	return e
}
