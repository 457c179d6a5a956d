package schemas

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// TestReal speaks with a real registry.
func TestReal(t *testing.T) {
	url := os.Getenv("FQGW_TEST_SCHEMAS")
	if url == "" {
		t.Skip("FQGW_TEST_SCHEMAS is not set: no real schema registry is used")
	}
	c := open(t, Options{URLs: url, Wait: 10 * time.Second})
	run := time.Now().UnixNano()
	subject := func(name string) string { return fmt.Sprintf("%s/%d-value", name, run) }
	send := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", mediaType)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %s", method, path, resp.Status)
		}
	}
	if _, err := c.Latest(t.Context(), subject("none")); !fqgw.HasCode(err, fqgw.CodeUndefinedObject) || !strings.Contains(err.Error(), "no subject") {
		t.Errorf("%v", err)
	}
	if _, err := c.Schema(t.Context(), 2_000_000_000); !fqgw.HasCode(err, fqgw.CodeUndefinedObject) {
		t.Errorf("%v", err)
	}
	const money = `{"type":"record","name":"money","namespace":"shop","fields":[{"name":"cents","type":"long"}]}`
	id, err := c.Register(t.Context(), subject("money"), fqgw.RecordSchema{Type: "AVRO", Text: money})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.Schema(t.Context(), id); err != nil || s.Type != "AVRO" || !strings.Contains(s.Text, "cents") {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := c.Latest(t.Context(), subject("monye")); !fqgw.HasCode(err, fqgw.CodeUndefinedObject) || !strings.Contains(fqgw.AsError(err).Hint, subject("money")) {
		t.Errorf("%v, %s", err, fqgw.AsError(err).Hint)
	}
	send(http.MethodPost, "/subjects/"+strings.ReplaceAll(subject("order"), "/", "%2F")+"/versions",
		fmt.Sprintf(`{"schema":%q,"references":[{"name":"shop.money","subject":%q,"version":1}]}`,
			`{"type":"record","name":"order","namespace":"shop","fields":[{"name":"total","type":"money"}]}`, subject("money")))
	s, err := c.Latest(t.Context(), subject("order"))
	if err != nil || len(s.References) != 1 || s.References[0].Name != "shop.money" || !strings.Contains(s.References[0].Schema.Text, "cents") {
		t.Errorf("%+v, %v", s, err)
	}
	send(http.MethodPut, "/config/"+strings.ReplaceAll(subject("money"), "/", "%2F"), `{"compatibility":"BACKWARD"}`)
	if _, err := c.Register(t.Context(), subject("money"), fqgw.RecordSchema{Type: "AVRO", Text: strings.Replace(money, "long", "string", 1)}); !fqgw.HasCode(err, fqgw.CodeInvalidDefinition) {
		t.Errorf("a schema that does not go together with the one before: %v", err)
	}
}
