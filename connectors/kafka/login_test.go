package kafka_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/kafka"
	"github.com/fqgw/fqgw/connectors/secure"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// listener is a broker with TLS (unless config is nil) that knows the user "fqgw".
func listener(t *testing.T, config *tls.Config, password string) string {
	t.Helper()
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.EnableSASL()}
	for _, m := range kafka.Mechanisms {
		opts = append(opts, kfake.Superuser(m, "fqgw", password))
	}
	if config != nil {
		opts = append(opts, kfake.TLS(config))
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	// It would close the connection without a word, as no real broker does.
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		said := string(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes)
		if strings.HasPrefix(said, "n,,") || strings.HasPrefix(said, "c=") || said == "\x00fqgw\x00"+password {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return answer, nil, true
	})
	return c.ListenAddrs()[0]
}

// greeter speaks first, and no TLS.
func greeter(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 hello, hello\r\n"))
			defer c.Close()
		}
	}()
	return l.Addr().String()
}

func serverConfig(t *testing.T, a *storetest.Authority, until time.Time) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(a.Issue(t, "server", until))
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(a.File)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool}
}

// tried opens a log and asks it something.
func tried(t *testing.T, o kafka.Options) error {
	t.Helper()
	o.Timeout = 3 * time.Second
	l, err := kafka.Open(o)
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Ping(t.Context())
}

// The suite passes with each way to log in, over TLS with a client's certificate, and
// without.
func TestSecureConformance(t *testing.T) {
	a := storetest.NewAuthority(t)
	config := serverConfig(t, a, time.Now().Add(time.Hour))
	config.ClientAuth = tls.RequireAndVerifyClientCert
	cert, key := a.Issue(t, "client", time.Now().Add(time.Hour))
	for i, m := range kafka.Mechanisms {
		t.Run(m, func(t *testing.T) {
			o := kafka.Options{Login: kafka.Login{Mechanism: m, User: "fqgw", Password: "a,b=c secret"}}
			if i%2 == 0 {
				o.TLS = &secure.TLS{CA: a.File, Cert: cert, Key: key}
				o.Brokers = []string{listener(t, config, o.Login.Password)}
			} else {
				o.Brokers = []string{listener(t, nil, o.Login.Password)}
			}
			l, err := kafka.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			storetest.Log(t, l, nil)
		})
	}
}

// Each way to be refused says its reason, the address and what helps, and no password.
func TestRefused(t *testing.T) {
	a, stranger := storetest.NewAuthority(t), storetest.NewAuthority(t)
	hour := time.Now().Add(time.Hour)
	config := serverConfig(t, a, hour)
	mutual := config.Clone()
	mutual.ClientAuth = tls.RequireAndVerifyClientCert
	open, plain := listener(t, config, "secret"), listener(t, nil, "secret")
	asking, expired := listener(t, mutual, "secret"), listener(t, serverConfig(t, a, time.Now().Add(-time.Minute)), "secret")
	cert, key := stranger.Issue(t, "client", hour)
	oldCert, oldKey := a.Issue(t, "old", time.Now().Add(-time.Minute))
	trust := &secure.TLS{CA: a.File}
	login := kafka.Login{Mechanism: "SCRAM-SHA-512", User: "fqgw", Password: "secret"}
	as := func(mechanism, user, password string) kafka.Login {
		return kafka.Login{Mechanism: mechanism, User: user, Password: password}
	}
	for name, test := range map[string]struct {
		at    string
		tls   *secure.TLS
		login kafka.Login
		code  fqgw.Code
		want  string
	}{
		"good":                  {open, trust, login, "", ""},
		"named":                 {open, &secure.TLS{CA: a.File, ServerName: "server.test"}, login, "", ""},
		"wrong password":        {open, trust, as("PLAIN", "fqgw", "secrets"), "28P01", "refuses the user or password"},
		"unknown user":          {plain, nil, as("PLAIN", "nobody", "secret"), "28P01", "refuses the user or password"},
		"closed":                {open, trust, as("SCRAM-SHA-256", "fqgw", "secrets"), "08006", "closes the connection"},
		"password file missing": {open, trust, as("PLAIN", "fqgw", "file:/none/here"), "08006", "cannot be read: /none/here"},
		"no authority":          {open, &secure.TLS{}, login, "08006", "signed by somebody unknown"},
		"another authority":     {open, &secure.TLS{CA: stranger.File}, login, "08006", "signed by somebody unknown"},
		"another name":          {open, &secure.TLS{CA: a.File, ServerName: "else"}, login, "08006", "is for another name"},
		"expired":               {expired, trust, login, "08006", "has expired"},
		"no client certificate": {asking, trust, login, "28000", "refuses the TLS connection"},
		"a stranger's":          {asking, &secure.TLS{CA: a.File, Cert: cert, Key: key}, login, "28000", "refuses the TLS connection"},
		"an old one":            {asking, &secure.TLS{CA: a.File, Cert: oldCert, Key: oldKey}, login, "28000", "refuses the TLS connection"},
		"no TLS there":          {greeter(t), trust, login, "08006", "does not speak TLS"},
		"no file":               {open, &secure.TLS{CA: "/none/ca.pem"}, login, "22023", "/none/ca.pem"},
		"no key":                {open, &secure.TLS{CA: a.File, Cert: cert}, login, "22023", "go together"},
		"the other's key":       {open, &secure.TLS{CA: a.File, Cert: cert, Key: oldKey}, login, "22023", "cannot be used"},
		"no mechanism":          {open, trust, as("GSSAPI", "fqgw", "x"), "22023", "SCRAM-SHA-512"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			err := tried(t, kafka.Options{Brokers: []string{test.at}, TLS: test.tls, Login: test.login})
			if test.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e := fqgw.AsError(err)
			if err == nil || e.Code != test.code || !strings.Contains(err.Error(), test.want) || time.Since(start) > 4*time.Second {
				t.Errorf("%v (%s) after %v, want %s with %q", err, e.Code, time.Since(start), test.code, test.want)
			}
			if e.Code != "22023" && (e.Hint == "" || !strings.Contains(err.Error(), test.at) && test.code[:3] == "28P") {
				t.Errorf("without the address or a hint: %v, %q", err, e.Hint)
			}
			if all := strings.ReplaceAll(fmt.Sprintf("%+v %v", *e, err), "file of a secret", ""); strings.Contains(all, "secret") {
				t.Errorf("it shows the password: %s", all)
			}
		})
	}
}

// A client whose password and certificates become right goes on without being made anew.
func TestBecomesRight(t *testing.T) {
	a := storetest.NewAuthority(t)
	config := serverConfig(t, a, time.Now().Add(time.Hour))
	config.ClientAuth = tls.RequireAndVerifyClientCert
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong")
	cert, key := a.Issue(t, "client", time.Now().Add(time.Hour))
	l, err := kafka.Open(kafka.Options{Brokers: []string{listener(t, config, "right")}, TLS: &secure.TLS{CA: a.File, Cert: cert, Key: key}, Timeout: 3 * time.Second,
		Login: kafka.Login{Mechanism: "PLAIN", User: "fqgw", Password: "file:" + file}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Ping(t.Context()); !fqgw.HasCode(err, "28P01") {
		t.Errorf("a wrong password: %v", err)
	}
	write("right\n")
	a.Issue(t, "client", time.Now().Add(-time.Minute))
	if err := l.Ping(t.Context()); !fqgw.HasCode(err, "28000") {
		t.Errorf("an expired certificate: %v", err)
	}
	a.Issue(t, "client", time.Now().Add(time.Hour))
	if err := l.Ping(t.Context()); err != nil {
		t.Errorf("when all is right: %v", err)
	}
}
