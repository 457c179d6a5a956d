package redis_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/redis"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// secured is a server with TLS that wants a client's certificate and knows one user.
func secured(t *testing.T, a *storetest.Authority, until time.Time) *miniredis.Miniredis {
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
	m, err := miniredis.RunTLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	m.RequireUserAuth("fqgw", "sec/ret")
	return m
}

// A server is used with certificates and a user; each refusal has its reason and a hint,
// and none shows the password.
func TestSecure(t *testing.T) {
	a, stranger := storetest.NewAuthority(t), storetest.NewAuthority(t)
	hour, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	m, old := secured(t, a, hour), secured(t, a, past)
	cert, key := a.Issue(t, "client", hour)
	oldCert, oldKey := a.Issue(t, "old", past)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("sec/ret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	query := func(pairs ...string) string {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return "?" + v.Encode()
	}
	good := query("ca", a.File, "cert", cert, "key", key)
	for name, test := range map[string]struct {
		url  string
		code fqgw.Code
		want string
	}{
		"good":              {"rediss://fqgw:sec%2Fret@" + m.Addr() + good, "", ""},
		"password's file":   {"rediss://fqgw@" + m.Addr() + good + "&password_file=" + url.QueryEscape(file), "", ""},
		"named":             {"rediss://fqgw:sec%2Fret@" + m.Addr() + good + "&server_name=server.test", "", ""},
		"unchecked":         {"rediss://fqgw:sec%2Fret@" + m.Addr() + query("skip_verify", "true", "cert", cert, "key", key), "", ""},
		"no file":           {"rediss://fqgw@" + m.Addr() + good + "&password_file=/none/here", "08006", "/none/here"},
		"wrong password":    {"rediss://fqgw:sec@" + m.Addr() + good, "28P01", "refuses the user or password"},
		"another name":      {"rediss://fqgw:sec%2Fret@" + m.Addr() + good + "&server_name=else", "08006", "is for another name"},
		"another authority": {"rediss://fqgw:sec%2Fret@" + m.Addr() + query("ca", stranger.File, "cert", cert, "key", key), "08006", "signed by somebody unknown"},
		"expired":           {"rediss://fqgw:sec%2Fret@" + old.Addr() + good, "08006", "has expired"},
		"no certificate":    {"rediss://fqgw:sec%2Fret@" + m.Addr() + query("ca", a.File), "28000", "refuses the TLS connection"},
		"an old one":        {"rediss://fqgw:sec%2Fret@" + m.Addr() + query("ca", a.File, "cert", oldCert, "key", oldKey), "28000", "refuses the TLS connection"},
		"no TLS asked":      {"redis://fqgw:sec%2Fret@" + m.Addr() + good, "22023", "are for rediss://"},
		"no authority":      {"rediss://h:1" + query("ca", "/none/ca.pem"), "22023", "/none/ca.pem"},
		"no key":            {"rediss://h:1" + query("cert", cert), "22023", "go together"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := redis.Open(t.Context(), test.url, 4)
			if test.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if err := s.Own(t.Context(), "x"); err != nil {
					t.Error(err)
				}
				return
			}
			e := fqgw.AsError(err)
			if err == nil || e.Code != test.code || !strings.Contains(e.Message, test.want) || e.Code != "22023" && e.Hint == "" {
				t.Errorf("%v (%s, hint %q), want %s with %q", err, e.Code, e.Hint, test.code, test.want)
			}
			if all := fmt.Sprintf("%+v %v", *e, err); strings.Contains(all, "sec/ret") || strings.Contains(all, "sec%2Fret") {
				t.Errorf("it shows the password: %s", all)
			}
		})
	}
}

// A login that is no longer good is 28P01 in every kind of trip, also in those of several
// commands, and the store goes on when it is.
func TestLoginChanges(t *testing.T) {
	m := miniredis.RunT(t)
	m.RequireUserAuth("fqgw", "one")
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	s, err := redis.Open(t.Context(), "redis://fqgw@"+m.Addr()+"?password_file="+url.QueryEscape(file), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	trips := map[string]func() error{
		"read": func() error { _, err := s.Read(t.Context(), []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1}}}); return err },
		"flush": func() error {
			_, err := s.Flush(t.Context(), []fqgw.UnitFlush{{Unit: fqgw.Unit{State: 1}, From: []fqgw.PartitionMark{{}}, To: []fqgw.PartitionMark{{Mark: fqgw.Mark{Next: 1}}}}})
			return err
		},
		"claim": func() error { _, err := s.Claim(t.Context(), fqgw.Unit{State: 1}, []int32{0}); return err },
	}
	all := func(code fqgw.Code) {
		t.Helper()
		for name, trip := range trips {
			if err := trip(); code == "" && err != nil || code != "" && !fqgw.HasCode(err, code) {
				t.Errorf("%s: %v (%s), want %q", name, err, fqgw.AsError(err).Code, code)
			}
		}
	}
	all("")
	m.RequireUserAuth("fqgw", "two")
	m.Close()
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	all("28P01")
	write("two")
	all("")
}
