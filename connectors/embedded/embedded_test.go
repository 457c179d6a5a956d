package embedded_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/embedded"
	"github.com/fqgw/fqgw/connectors/kafka"
	"github.com/fqgw/fqgw/connectors/redis"
)

func code(err error) fqgw.Code {
	if err == nil {
		return ""
	}
	return fqgw.AsError(err).Code
}

// A broker that starts again on its directory and port has its topics, their
// ids and their records; clients of before go on.
func TestKafkaStartsAgain(t *testing.T) {
	for name, start := range map[string]func(addr, dir string) (*embedded.Kafka, error){"plain": embedded.StartKafka, "synced": embedded.StartSyncedKafka} {
		t.Run(name, func(t *testing.T) {
			ctx, dir, address := t.Context(), filepath.Join(t.TempDir(), "a folder", "kafka"), "127.0.0.1:0"
			var l *kafka.Log
			var made fqgw.Topic
			for round := range int64(3) {
				k, err := start(address, dir)
				if err != nil {
					t.Fatal(err)
				}
				address = k.Brokers[0]
				if round == 0 {
					if l, err = kafka.Open(kafka.Options{Brokers: k.Brokers}); err != nil {
						t.Fatal(err)
					}
					defer l.Close()
					if made, err = l.CreateTopic(ctx, "t", 2); err != nil {
						t.Fatal(err)
					}
				}
				if again, err := l.Topic(ctx, "t"); err != nil || again != made {
					t.Errorf("round %d: topic %+v, %v; made %+v", round, again, err, made)
				}
				if err := l.Produce(ctx, "t", []fqgw.LogRecord{{Partition: 1, Value: []byte("x")}}); err != nil {
					t.Fatal(err)
				}
				if _, end, err := l.Offsets(ctx, "t"); err != nil || end[1] != round+1 {
					t.Errorf("round %d: ends at %v, %v", round, end, err)
				}
				k.Close()
			}
		})
	}
}

// Nothing embedded listens to the network, and a taken port is said.
func TestListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]fqgw.Code{
		"0.0.0.0:0": fqgw.CodeInvalidParameter, ":0": fqgw.CodeInvalidParameter, "192.0.2.1:0": fqgw.CodeInvalidParameter, "example.com:0": fqgw.CodeInvalidParameter,
		"127.0.0.1": fqgw.CodeInvalidParameter, "127.0.0.1:x": fqgw.CodeInvalidParameter, "127.0.0.1:70000": fqgw.CodeInvalidParameter,
		taken.Addr().String(): fqgw.CodeIO, "localhost:0": "",
	} {
		r, err := embedded.StartRedis(embedded.RedisOptions{Listen: addr})
		if code(err) != want {
			t.Errorf("Redis on %s: %v", addr, err)
		}
		if err == nil {
			if s, err := redis.Open(t.Context(), "redis://"+r.Addr, 64); err != nil || s.Ping(t.Context()) != nil {
				t.Errorf("Redis on %s does not answer: %v", r.Addr, err)
			} else {
				s.Close()
			}
			r.Close()
		}
		k, err := embedded.StartKafka(addr, t.TempDir())
		if code(err) != want {
			t.Errorf("Kafka on %s: %v", addr, err)
		}
		if err == nil {
			k.Close()
		}
	}
	if _, err := embedded.StartKafka("127.0.0.1:0", filepath.Join(file, "dir")); code(err) != fqgw.CodeIO {
		t.Errorf("a file for a directory: %v", err)
	}
}
