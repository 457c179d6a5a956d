package stream

import (
	"context"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
	"github.com/fqgw/fqgw/stream/quality"
)

// produceRecords bounds one request to the broker.
const produceRecords = 5000

// recordBytes is what one record may have, key and value: the Kafka client's
// limit of a batch less what goes around a record.
const recordBytes = 1_000_000

// Insert produces rows of a source and returns when the broker has acknowledged
// all of them. The gate comes first, with the record that would be produced, so
// that the stream decides the same: an error that carries the SQLSTATE, the
// column and the row's number leaves the topic as it was. known is the known
// time of each row; 0, or nil for all, is the clock's now.
func (p *Pipeline) Insert(ctx context.Context, src *fqgw.Source, rows [][]fqgw.Value, known []int64) error {
	s, err := p.source(src.Qualified().String())
	if err != nil {
		return err
	}
	if s.src().OID != src.OID {
		return fqgw.Errorf(fqgw.CodeSerialization, "source %q was made again by another transaction", src.Name)
	}
	s.judging.RLock()
	defer s.judging.RUnlock()
	now := s.newest()
	if _, was := now.GateAt(src.GateVersion); was != nil && src.GateVersion < now.GateVersion { // the statement was bound before
		rows = slices.Clone(rows)
		for i := range rows {
			rows[i] = was.Row(rows[i])
		}
	}
	recs, err := p.records(now, rows, known)
	for len(recs) > 0 && err == nil {
		n := min(len(recs), produceRecords)
		err = s.log.Produce(ctx, s.src().Topic, recs[:n])
		recs = recs[n:]
	}
	return err
}

// Check is the part of Insert before anything is produced; the source need not
// run yet.
func (p *Pipeline) Check(_ context.Context, src *fqgw.Source, rows [][]fqgw.Value, known []int64) error {
	_, err := p.records(src, rows, known)
	return err
}

// records are rows as they would be produced, all past the gate.
func (p *Pipeline) records(src *fqgw.Source, rows [][]fqgw.Value, known []int64) ([]fqgw.LogRecord, error) {
	encoder, err := p.o.Encoder(src)
	if err != nil {
		return nil, err
	}
	d, err := p.o.Decoder(src)
	if err != nil {
		return nil, err
	}
	gate := quality.New(src)
	recs := make([]fqgw.LogRecord, len(rows))
	now := p.o.Clock.Now()
	var back []fqgw.Event
	var payload []byte
	for i, row := range rows {
		t := now
		if i < len(known) && known[i] != 0 {
			t = known[i]
		}
		t = fqgw.Floor(t, 1000) // Kafka keeps milliseconds
		from := len(payload)
		key, err := encoder.Key(row)
		if err == nil {
			payload, err = encoder.Append(payload, row)
		}
		if size := len(payload) - from + len(key); err == nil && size > recordBytes {
			err = fqgw.Errorf(fqgw.CodeLimitExceeded, "a record of %d bytes is larger than the %d that can be produced", size, recordBytes)
		}
		recs[i] = fqgw.LogRecord{Partition: -1, Timestamp: t, Key: key, Value: payload[from:len(payload):len(payload)]}
		if err == nil {
			back, err = judged(d, gate, &recs[i], back[:0])
		}
		if err != nil {
			e := *fqgw.AsError(err)
			if e.Detail == "" {
				return nil, e.WithDetail("Row %d of %d.", i+1, len(rows))
			}
			return nil, e.WithDetail("Row %d of %d: %s", i+1, len(rows), e.Detail)
		}
	}
	return recs, nil
}

// judged are the changes of a record that is to be produced, and why the stream would
// refuse it, nil if it would not.
func judged(d decode.Decoder, gate *quality.Gate, r *fqgw.LogRecord, changes []fqgw.Event) ([]fqgw.Event, error) {
	changes, err := d.Decode(r, changes)
	for i := range changes {
		if err == nil {
			err = gate.Judge(&changes[i], r.Timestamp)
		}
	}
	return changes, err
}
