package fqgw

// StreamStatus is what is known of one partition of a source's stream.
type StreamStatus struct {
	Source     string
	Partition  int32
	Epoch      int32
	Applied    int64  // offset after the last record that is readable online
	Landed     int64  // offset after the last record in the history
	End        int64  // the log's end offset
	EventTime  int64  // greatest event time applied; 0 for none
	KnownTime  int64  // known time of the last applied record; 0 for none
	Freshness  int64  // microseconds from the append of the last flushed record until it was readable
	Paused     string // why the partition stands, "" when it runs
	Rejected   int64
	NullKeys   int64
	EvalErrors int64
	Behind     int64 // of a derived source: records of the origin's partition that have not passed
}

// Lag is the number of records that are in the log but not readable online.
func (s *StreamStatus) Lag() int64 { return max(s.End-s.Applied, 0) }
