package sqltests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/kafka"
	"github.com/fqgw/fqgw/connectors/redis"
	"github.com/fqgw/fqgw/connectors/secure"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// TestSecureReal runs the program against a real Kafka with SASL and TLS and a real
// Redis with TLS and users of its ACL, which it starts. Passwords and certificates are
// wrong and become right while it runs, and nothing that it says has a secret.
//
// FQGW_TEST_KAFKA_JARS is the folder of Kafka's jars; redis-server is in PATH.
func TestSecureReal(t *testing.T) {
	jars := os.Getenv("FQGW_TEST_KAFKA_JARS")
	if jars == "" {
		t.Skip("FQGW_TEST_KAFKA_JARS is not set: no real Kafka is started")
	}
	a := storetest.NewAuthority(t)
	hour := time.Now().Add(time.Hour)
	cert, key := a.Issue(t, "client", hour)
	s := &secureServers{t: t, a: a, dir: t.TempDir()}
	s.startKafka(jars)
	s.startRedis()
	s.setPassword("first-kafka-secret")
	s.acl("SETUSER", "fqgw", "on", "resetpass", ">first-redis-secret", "resetkeys", "-@all")
	s.acl(append([]string{"SETUSER", "fqgw"}, strings.Fields(redis.Rights)...)...)

	for _, m := range kafka.Mechanisms {
		password := "first-kafka-secret"
		if m == "PLAIN" {
			password = "plain-secret"
		}
		trust := &secure.TLS{CA: a.File}
		s.asks(m, kafka.Options{Brokers: s.sasl, TLS: trust, Login: kafka.Login{Mechanism: m, User: "fqgw", Password: password}}, "")
		s.asks(m+" wrong", kafka.Options{Brokers: s.sasl, TLS: trust, Login: kafka.Login{Mechanism: m, User: "fqgw", Password: "x"}}, "28P01")
	}
	oldCert, oldKey := a.Issue(t, "old", time.Now().Add(-time.Minute))
	login := kafka.Login{Mechanism: "SCRAM-SHA-512", User: "fqgw", Password: "first-kafka-secret"}
	s.asks("certificate", kafka.Options{Brokers: s.mutual, TLS: &secure.TLS{CA: a.File, Cert: cert, Key: key}}, "")
	s.asks("no certificate", kafka.Options{Brokers: s.mutual, TLS: &secure.TLS{CA: a.File}}, "28000")
	s.asks("old certificate", kafka.Options{Brokers: s.mutual, TLS: &secure.TLS{CA: a.File, Cert: oldCert, Key: oldKey}}, "28000")
	s.asks("stranger", kafka.Options{Brokers: s.sasl, TLS: &secure.TLS{CA: storetest.NewAuthority(t).File}, Login: login}, "08006")
	s.asks("no TLS", kafka.Options{Brokers: s.sasl, Login: login}, "08006")
	s.asks("no login", kafka.Options{Brokers: s.sasl, TLS: &secure.TLS{CA: a.File}}, "08006")
	s.asks("no TLS there", kafka.Options{Brokers: s.inner, TLS: &secure.TLS{CA: a.File}}, "08006")
	s.asks("no login there", kafka.Options{Brokers: s.inner, Login: login}, "28000")

	s.program(cert, key)
}

type secureServers struct {
	t                    *testing.T
	a                    *storetest.Authority
	dir                  string
	inner, sasl, mutual  []string
	redis                string
	cert, key            string // of redis-cli
	kafkaFile, redisFile string // with the passwords that the program has
}

// asks opens a log and compares how it is refused; "" is not at all.
func (s *secureServers) asks(what string, o kafka.Options, code fqgw.Code) {
	s.t.Helper()
	o.Timeout = 5 * time.Second
	l, err := kafka.Open(o)
	if err == nil {
		defer l.Close()
		_, err = l.Topics(s.t.Context())
	}
	if code == "" && err != nil || code != "" && !fqgw.HasCode(err, code) {
		s.t.Errorf("%s: %v (%s), want %q", what, err, fqgw.AsError(err).Code, code)
	}
	if err != nil && fqgw.AsError(err).Hint == "" {
		s.t.Errorf("%s: no hint: %v", what, err)
	}
}

func freePorts(t *testing.T, n int) (out []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out
}

func (s *secureServers) startKafka(jars string) {
	t := s.t
	cert, key := s.a.Issue(t, "broker", time.Now().Add(time.Hour))
	var store []byte
	for _, file := range []string{key, cert} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		store = append(store, text...)
	}
	ports := freePorts(t, 4)
	s.inner, s.sasl, s.mutual = ports[:1], ports[1:2], ports[2:3]
	const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	properties := filepath.Join(s.dir, "server.properties")
	text := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[4]s
listeners=INNER://%[1]s,LOGIN://%[2]s,MUTUAL://%[3]s,CONTROLLER://%[4]s
advertised.listeners=INNER://%[1]s,LOGIN://%[2]s,MUTUAL://%[3]s
listener.security.protocol.map=INNER:PLAINTEXT,LOGIN:SASL_SSL,MUTUAL:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INNER
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_fqgw="plain-secret";
listener.name.login.scram-sha-256.sasl.jaas.config=%[5]s
listener.name.login.scram-sha-512.sasl.jaas.config=%[5]s
connections.max.reauth.ms=3000
ssl.keystore.type=PEM
ssl.keystore.location=%[6]s
ssl.truststore.type=PEM
ssl.truststore.location=%[7]s
listener.name.mutual.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
log.dirs=%[8]s
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.cleaner.dedupe.buffer.size=16777216
`, ports[0], ports[1], ports[2], ports[3], scram, filepath.Join(s.dir, "broker.pem"), s.a.File, filepath.Join(s.dir, "log"))
	for file, content := range map[string][]byte{properties: []byte(text), filepath.Join(s.dir, "broker.pem"): store} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	java := func(args ...string) []string {
		return append([]string{"-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(jars, "*")}, args...)
	}
	out, err := exec.Command("java", java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.daemon("kafka", "java", java("kafka.Kafka", properties)...)
	log, err := kafka.Open(kafka.Options{Brokers: s.inner})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for until := time.Now().Add(4 * time.Minute); log.Ping(t.Context()) != nil; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("Kafka is not ready")
		}
	}
}

func (s *secureServers) startRedis() {
	s.redis = freePorts(s.t, 1)[0]
	_, port, _ := net.SplitHostPort(s.redis)
	s.cert, s.key = s.a.Issue(s.t, "redis", time.Now().Add(time.Hour))
	s.daemon("redis", "redis-server", "--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--tls-cert-file", s.cert,
		"--tls-key-file", s.key, "--tls-ca-cert-file", s.a.File, "--tls-auth-clients", "yes", "--requirepass", "admin-secret")
	for until := time.Now().Add(time.Minute); s.cli("PING") != nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(until) {
			s.t.Fatal("Redis is not ready")
		}
	}
}

// daemon runs until the test is over.
func (s *secureServers) daemon(name, program string, args ...string) {
	cmd := exec.Command(program, args...)
	var said output
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if s.t.Failed() {
			text := said.String()
			s.t.Logf("%s says, at its end:\n%s", name, text[max(0, len(text)-2000):])
		}
	})
}

func (s *secureServers) cli(args ...string) error {
	_, port, _ := net.SplitHostPort(s.redis)
	out, err := exec.Command("redis-cli", append([]string{"-h", "127.0.0.1", "-p", port, "--tls", "--cacert", s.a.File, "--cert", s.cert, "--key", s.key,
		"--no-auth-warning", "-a", "admin-secret"}, args...)...).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("ERR")) {
		return fmt.Errorf("%v: %s", err, out)
	}
	return nil
}

func (s *secureServers) acl(args ...string) {
	s.t.Helper()
	if err := s.cli(append([]string{"ACL"}, args...)...); err != nil {
		s.t.Fatal(err)
	}
}

// setPassword is what the brokers know of the user fqgw from now on.
func (s *secureServers) setPassword(password string) {
	s.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.inner...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	for _, m := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		altered, err := kadm.NewClient(c).AlterUserSCRAMs(s.t.Context(), nil, []kadm.UpsertSCRAM{{User: "fqgw", Mechanism: m, Iterations: 4096, Password: password}})
		if err == nil {
			err = altered["fqgw"].Err
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// output is what a program writes while it is read.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// program runs fqgw serve on the servers.
func (s *secureServers) program(cert, key string) {
	t := s.t
	s.kafkaFile, s.redisFile = filepath.Join(s.dir, "kafka-password"), filepath.Join(s.dir, "redis-password")
	s.write(s.kafkaFile, "first-kafka-secret\n")
	s.write(s.redisFile, "first-redis-secret\n")
	t.Setenv("FQGW_TEST_KEY_FILE", key)
	ports := freePorts(t, 2)
	config := filepath.Join(s.dir, "fqgw.yaml")
	s.write(config, fmt.Sprintf(`data: %s
listen: %s
admin: %s
log: debug
kafka:
  brokers: %s
  sasl: {mechanism: SCRAM-SHA-512, username: fqgw, password: "file:%s"}
  tls: {ca: %s}
  schema_registry: {url: "https://127.0.0.1:1", credentials: "me:registry-secret"}
online:
  url: rediss://%s/0
  username: fqgw
  password: file:%s
  tls: {ca: %[6]s, cert: %[9]s, key: "${FQGW_TEST_KEY_FILE}"}
`, filepath.Join(s.dir, "data"), ports[0], ports[1], s.sasl[0], s.kafkaFile, s.a.File, s.redis, s.redisFile, cert))

	var said output
	// At a first start a wrong password ends it.
	s.write(s.kafkaFile, "wrong-secret")
	if code := app.Main(t.Context(), []string{"serve", "--config", config}, &said, &said); code != 1 || !strings.Contains(said.String(), "refuses the user or password") ||
		!strings.Contains(said.String(), s.sasl[0]) {
		t.Errorf("a start with a wrong password: %d\n%s", code, &said)
	}
	s.write(s.kafkaFile, "first-kafka-secret")
	if code := app.Main(t.Context(), []string{"config", "--config", config}, &said, &said); code != 0 {
		t.Errorf("fqgw config: %d\n%s", code, &said)
	}
	serve := func(f func(ctx context.Context, conn *pgx.Conn)) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan int, 1)
		go func() { done <- app.Main(ctx, []string{"serve", "--config", config}, &said, &said) }()
		var conn *pgx.Conn
		if err := eventually(func() (ok bool) {
			var err error
			conn, err = pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", ports[0]))
			return err == nil
		}); err != nil {
			t.Fatalf("no start: %v\n%s", err, &said)
		}
		f(ctx, conn)
		s.listen(ctx, conn, ports[1], &said)
		conn.Close(ctx)
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("it ended with %d", code)
		}
	}
	do := func(ctx context.Context, conn *pgx.Conn, statements ...string) {
		t.Helper()
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v\n%s", sql, err, &said)
			}
		}
	}
	count := func(ctx context.Context, conn *pgx.Conn, want int) {
		t.Helper()
		var n int
		if err := conn.QueryRow(ctx, "SELECT n FROM counts WHERE id = 1").Scan(&n); err != nil || n != want {
			t.Errorf("counted %d, %v, want %d", n, err, want)
		}
	}
	trouble := func(ctx context.Context, conn *pgx.Conn, what, want string) {
		t.Helper()
		var why string
		if err := eventually(func() bool {
			why = ""
			err := conn.QueryRow(ctx, "SELECT string_agg(coalesce(paused, 'running'), '; ') FROM fqgw.stream_status").Scan(&why)
			return err == nil && strings.Contains(why, want)
		}); err != nil {
			t.Fatalf("%s: the status says %s\n%s", what, why, &said)
		}
	}
	serve(func(ctx context.Context, conn *pgx.Conn) {
		do(ctx, conn, `CREATE SOURCE e (id bigint NOT NULL, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'e', format = 'json', event_time = 'at', partitions = 2)`,
			`CREATE FEATURE VIEW counts AS SELECT id, count(*) OVER d AS n FROM e WINDOW d AS (PARTITION BY id ORDER BY at RANGE '1 day' PRECEDING)`,
			`INSERT INTO e VALUES (1, now())`, `SELECT fqgw.sync()`)
		count(ctx, conn, 1)

		// The brokers end a session whose login is no longer good.
		s.setPassword("second-kafka-secret")
		trouble(ctx, conn, "Kafka's password has changed", "refuses the user or password")
		count(ctx, conn, 1)
		s.write(s.kafkaFile, "second-kafka-secret")
		trouble(ctx, conn, "Kafka's password is right", "running")
		do(ctx, conn, `INSERT INTO e VALUES (1, now())`, `SELECT fqgw.sync()`)
		count(ctx, conn, 2)

		s.acl("SETUSER", "fqgw", "resetpass", ">second-redis-secret")
		if err := s.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
			t.Fatal(err)
		}
		do(ctx, conn, `INSERT INTO e VALUES (1, now())`)
		trouble(ctx, conn, "Redis's password has changed", "refuses the user or password")
		s.write(s.redisFile, "second-redis-secret")
		do(ctx, conn, `SELECT fqgw.sync()`)
		count(ctx, conn, 3)

		s.forbid("forbidden")
		if _, err := conn.Exec(ctx, `CREATE SOURCE f (id bigint, at timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'forbidden', format = 'json', event_time = 'at')`); err == nil ||
			!strings.Contains(err.Error(), "42501") {
			t.Errorf("a topic that is forbidden: %v", err)
		}
	})
	// Once there are sources a start does not end by it.
	s.write(s.kafkaFile, "wrong-secret")
	serve(func(ctx context.Context, conn *pgx.Conn) {
		trouble(ctx, conn, "a start with a wrong password", "refuses the user or password")
		count(ctx, conn, 3)
		s.write(s.kafkaFile, "second-kafka-secret")
		do(ctx, conn, `SELECT fqgw.sync()`)
		count(ctx, conn, 3)
	})
	text := said.String()
	secrets := []string{"first-kafka-secret", "second-kafka-secret", "wrong-secret", "plain-secret", "first-redis-secret", "second-redis-secret", "registry-secret", "admin-secret"}
	pem, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, strings.Split(string(pem), "\n")[1])
	for _, secret := range secrets {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("it says a secret: %s", text[max(0, at-300):min(len(text), at+100)])
		}
	}
	for _, part := range []string{"schema_registry_credentials: xxxxx", "kafka_password: file:", "fqgw_stream_lag_records", "fqgw.redis", "level=WARN"} {
		if !strings.Contains(text, part) {
			t.Errorf("what was looked at lacks %q", part)
		}
	}
}

// forbid makes a topic that only somebody else may use.
func (s *secureServers) forbid(topic string) {
	s.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.inner...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	admin := kadm.NewClient(c)
	if _, err := admin.CreateTopic(s.t.Context(), 1, 1, nil, topic); err != nil {
		s.t.Fatal(err)
	}
	acl := kadm.NewACLs().Topics(topic).Allow("User:somebody").AllowHosts("*").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpAll)
	if _, err := admin.CreateACLs(s.t.Context(), acl); err != nil {
		s.t.Fatal(err)
	}
}

func (s *secureServers) write(file, text string) {
	s.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// listen notes everything that a running gateway can be asked.
func (s *secureServers) listen(ctx context.Context, conn *pgx.Conn, admin string, into io.Writer) {
	s.t.Helper()
	queries := []string{"SHOW ALL", "SHOW fqgw.kafka", "SHOW fqgw.redis", "SELECT * FROM pg_settings", "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM counts WHERE id = 1",
		"EXPLAIN SELECT * FROM e", "SELECT * FROM nosuch"}
	rows, err := conn.Query(ctx, "SELECT relname FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'fqgw')")
	if err != nil {
		s.t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		queries = append(queries, "SELECT * FROM fqgw."+name)
	}
	for _, sql := range queries {
		rows, err := conn.Query(ctx, sql)
		if err != nil {
			fmt.Fprintf(into, "%s: %v\n", sql, err)
			continue
		}
		for rows.Next() {
			values, _ := rows.Values()
			fmt.Fprintf(into, "%s: %v\n", sql, values)
		}
		if rows.Err() != nil {
			fmt.Fprintf(into, "%s: %+v\n", sql, rows.Err())
		}
	}
	for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
		res, err := http.Get("http://" + admin + path)
		if err != nil {
			s.t.Fatal(err)
		}
		_, _ = io.Copy(into, res.Body)
		res.Body.Close()
	}
}
