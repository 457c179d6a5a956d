package sqltests

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

// change is a record of Debezium about a row.
type change struct {
	millis int64 // the record's timestamp
	key    string
	op     string
	lsn    int64
	txid   int64
}

// changesOf reads a topic to its end, in the order of the records' timestamps. Records
// of one connector are sent in the order of the log, and get their timestamps then.
func (p *watched) changesOf(topic string) (out []change) {
	t := p.t
	client, err := kgo.NewClient(kgo.SeedBrokers(p.brokers), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for { // the topic is at rest: when nothing comes for a while there is no more
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		fetches := client.PollFetches(ctx)
		cancel()
		if fetches.NumRecords() == 0 {
			break
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Value == nil {
				return
			}
			var e struct {
				Op     string
				Source struct {
					LSN  int64
					TxID int64
				}
			}
			if err := json.Unmarshal(r.Value, &e); err != nil {
				t.Fatal(err)
			}
			out = append(out, change{r.Timestamp.UnixMilli(), string(r.Key), e.Op, e.Source.LSN, e.Source.TxID})
		})
	}
	slices.SortStableFunc(out, func(a, b change) int { return int(a.millis - b.millis) })
	return out
}

// moment is a known time, and the transaction whose table it shows.
type moment struct {
	millis int64
	txid   int64
}

// moments are the known times at which the records so far are those of all transactions
// up to one. Where a connector that was killed has sent some again, the last
// record of a key may tell of a version that is not the last one: the table of such a
// moment is one that PostgreSQL had before, for some rows, and it is left out.
func moments(changes []change, txids []int64, order map[int64]int) (out []moment) {
	type id struct {
		lsn     int64
		op, key string
	}
	perTx := make([]int, len(order)) // records of each transaction, by their order
	all := map[id]bool{}
	for _, c := range changes {
		if i, ok := order[c.txid]; ok && c.op != "r" && !all[id{c.lsn, c.op, c.key}] {
			all[id{c.lsn, c.op, c.key}] = true
			perTx[i]++
		}
	}
	expected := make([]int, len(order)+1)
	for i, n := range perTx {
		expected[i+1] = expected[i] + n
	}
	seen, newest, last := map[id]bool{}, map[string]int64{}, map[string]int64{}
	stale, most := 0, -1
	for i, c := range changes {
		if c.op != "r" {
			wasStale := last[c.key] < newest[c.key]
			last[c.key], newest[c.key] = c.lsn, max(newest[c.key], c.lsn)
			if isStale := last[c.key] < newest[c.key]; isStale != wasStale {
				stale += map[bool]int{true: 1, false: -1}[isStale]
			}
			if n, ok := order[c.txid]; ok {
				seen[id{c.lsn, c.op, c.key}] = true
				most = max(most, n)
			}
		}
		if i+1 < len(changes) && changes[i+1].millis == c.millis {
			continue
		}
		if most >= 0 && stale == 0 && len(seen) == expected[most+1] {
			out = append(out, moment{c.millis, txids[most]})
		}
	}
	return out
}

// checkMoments compares the tables of 200 moments.
func (p *watched) checkMoments() {
	t := p.t
	rows, err := p.pg.Query(t.Context(), "SELECT txid FROM versions GROUP BY txid ORDER BY min(seq)")
	if err != nil {
		t.Fatal(err)
	}
	txids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	order := map[int64]int{} // of the transactions: one connection wrote them, one after the other
	for i, txid := range txids {
		order[txid] = i
	}
	for _, c := range compared {
		changes := p.changesOf(p.name + ".public." + c.table)
		all := moments(changes, txids, order)
		if len(all) < 20 {
			t.Fatalf("%s: %d moments in %d records", c.table, len(all), len(changes))
		}
		p.rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		began := time.Now()
		chosen, windows := all[:min(len(all), 100)], 0
		for _, m := range chosen {
			then := fmt.Sprintf(`(SELECT r.* FROM (SELECT DISTINCT ON (key) row AS v FROM versions
				WHERE tab = '%s' AND seq <= (SELECT max(seq) FROM versions WHERE txid = %d) ORDER BY key, seq DESC) AS l, jsonb_populate_record(NULL::%[1]s, v) AS r
				WHERE v IS NOT NULL) AS t`, c.table, m.txid)
			at := " AS OF '" + time.UnixMilli(m.millis).UTC().Format("2006-01-02 15:04:05.000Z") + "'"
			what := fmt.Sprintf("%s%s, transaction %d", c.table, at, m.txid)
			p.same(what, rowsOf(t, p.pg, texts(c.columns)+" FROM "+then+" ORDER BY "+c.key),
				rowsOf(t, p.fqgw, texts(c.columns)+" FROM "+c.table+"_now"+at+" ORDER BY "+c.key))
			if c.table == "accounts" && p.checkWindows(what, at, then) {
				windows++
			}
		}
		if c.table == "accounts" && windows == 0 {
			t.Error("windows could be read at no moment")
		}
		t.Logf("%s: %d transactions, %d records, %d moments, %d compared (%d with windows) in %s", c.table, len(txids), len(changes), len(all),
			len(chosen), windows, time.Since(began).Round(time.Millisecond))
	}
}
