package sqltests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// connectWorker is a worker of Kafka Connect with Debezium, which a test starts and kills.
type connectWorker struct {
	t       *testing.T
	jars    string // the folder of Kafka Connect's
	plugins string // the folder that Debezium lies in
	brokers string
	dir     string
	url     string
	cmd     *exec.Cmd
}

// start begins a worker that goes on where the last one has noted that it was.
func (w *connectWorker) start() {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.url = "http://" + l.Addr().String()
	l.Close()
	properties := fmt.Sprintf(`bootstrap.servers=%s
listeners=%s
plugin.path=%s
plugin.discovery=service_load
offset.storage.file.filename=%s
offset.flush.interval.ms=1000
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter.schemas.enable=false
`, w.brokers, w.url, w.plugins, filepath.Join(w.dir, "offsets"))
	const logging = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
`
	for name, text := range map[string]string{"worker.properties": properties, "log4j2.properties": logging} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	log, err := os.OpenFile(filepath.Join(w.dir, "worker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer log.Close()
	w.cmd = exec.Command("java", "-Xmx384m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j2.configurationFile="+filepath.Join(w.dir, "log4j2.properties"), "-cp", filepath.Join(w.jars, "*"),
		"org.apache.kafka.connect.cli.ConnectStandalone", filepath.Join(w.dir, "worker.properties"))
	w.cmd.Stdout, w.cmd.Stderr = log, log
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.wait("the worker", func() bool { _, err := w.ask(http.MethodGet, "/connectors", nil); return err == nil })
}

// kill ends the worker where it is.
func (w *connectWorker) kill() {
	if w.cmd != nil {
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait()
		w.cmd = nil
	}
}

// watch makes a connector, or changes it, and waits until it runs.
func (w *connectWorker) watch(name string, config map[string]string) {
	w.t.Helper()
	body, err := json.Marshal(config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.wait("connector "+name, func() bool { _, err := w.ask(http.MethodPut, "/connectors/"+name+"/config", body); return err == nil })
	w.wait("connector "+name, func() bool {
		status, err := w.ask(http.MethodGet, "/connectors/"+name+"/status", nil)
		if strings.Contains(status, `"FAILED"`) {
			_, _ = w.ask(http.MethodPost, "/connectors/"+name+"/restart?includeTasks=true&onlyFailed=true", nil)
		}
		return err == nil && strings.Contains(status, `"tasks":[{"id":0,"state":"RUNNING"`)
	})
}

func (w *connectWorker) ask(method, path string, body []byte) (string, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.url+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, b)
	}
	return string(b), err
}

// wait waits until something is so, for as long as a busy machine may need.
func (w *connectWorker) wait(what string, so func() bool) {
	w.t.Helper()
	for until := time.Now().Add(4 * time.Minute); !so(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(until) {
			log, _ := os.ReadFile(filepath.Join(w.dir, "worker.log"))
			w.t.Fatalf("%s is not ready in time; the log ends with\n%s", what, log[max(len(log)-3000, 0):])
		}
	}
}
