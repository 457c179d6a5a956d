package fqgw

import (
	"context"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
)

// Records is a stream of Arrow batches. The reader releases each batch; the
// sequence ends at the first error.
type Records = iter.Seq2[arrow.RecordBatch, error]

// Unit is the unit of writing online (SEMANTICS §6.2): the entities of one
// shard under one state version, which is named by the registry's number alone: a
// view's rename rewrites nothing. All units of a shard share a Redis Cluster slot.
type Unit struct {
	State int64
	Shard uint32
}

// UnitRead asks for the states of some entities of one unit.
type UnitRead struct {
	Unit Unit
	Keys []EntityKey
	// Sparing says that the positions are wanted only where a state is missing: what
	// is there was written with positions. The answer may have none else.
	Sparing bool
}

// UnitReads are reads of the positions of all units of a state version.
func UnitReads(state int64, shards uint32) []UnitRead {
	out := make([]UnitRead, shards)
	for i := range out {
		out[i].Unit = Unit{State: state, Shard: uint32(i)}
	}
	return out
}

// UnitState answers a UnitRead: the unit's applied positions, nil where nobody has
// claimed it, and the packed state of each key, nil where there is none.
type UnitState struct {
	Marks  Marks
	States [][]byte
	Err    error // why there is no answer, of an answer whose error is not nil
}

// PartitionMark is the mark of one partition.
type PartitionMark struct {
	Partition int32
	Mark      Mark
}

// UnitFlush is one atomic write of a unit: if every mark in From is what the
// store has, the states are set (nil deletes the key) and the marks become To.
// From and To name the same partitions in the same order: those that the
// writer owns.
type UnitFlush struct {
	Unit     Unit
	From, To []PartitionMark
	Keys     []EntityKey
	States   [][]byte
}

// Stored is what the online store has of an entity.
type Stored struct {
	Key   EntityKey
	Bytes int64 // of the packed state
	Head  []byte
}

// FlushResult says whether a flush was taken; if not, Found has the marks that
// the store holds. A retried flush whose To is already there counts as taken.
type FlushResult struct {
	OK    bool
	Found []PartitionMark
}

// OnlineStore keeps the packed states of entities with the positions that they
// stand for. Safe for concurrent use. Errors of the connection are *Error with
// class 08.
type OnlineStore interface {
	// Shards is the shard count, fixed when the store was created.
	Shards() uint32
	// Server names the server that has a shard at the moment: one that is away need
	// not hold up what the others do.
	Server(shard uint32) string
	// Read answers all reads, in order, in one pipelined trip to each server. When
	// units cannot be read the error is that of the first; the answers of the other
	// units come with it, and those without one say why (UnitState.Err). After an
	// error a trip may still be under way: reads must not be changed any more.
	Read(ctx context.Context, reads []UnitRead) ([]UnitState, error)
	// Claim raises the generation of the partitions in the unit and returns
	// their marks, with the new generation.
	Claim(ctx context.Context, u Unit, partitions []int32) ([]PartitionMark, error)
	// Flush carries out each flush atomically by itself, results in order. The
	// flushes have no order among themselves: two of one unit, of which one moves
	// the marks, do not belong into one call. Nor do units of several servers where
	// one must not wait for another.
	Flush(ctx context.Context, flushes []UnitFlush) ([]FlushResult, error)
	// Entities streams the keys of a state version, at most limit; more is 54000.
	Entities(ctx context.Context, state int64, limit int) iter.Seq2[EntityKey, error]
	// Walk gives what the store has of each entity of a state version, in no order, page
	// after page, with the first bytes of it, at most head; an entity may come twice.
	Walk(ctx context.Context, state int64, head int, page func([]Stored) error) error
	// Drop removes every state and position of a state version.
	Drop(ctx context.Context, state int64) error
	// Own claims the store for a registry, by the registry's id. One that has the
	// states of another is 55000: the numbers of states and the positions of two
	// registries would be taken for each other's.
	Own(ctx context.Context, registry string) error
	// Ping says whether the store answers and is fit for use (noeviction).
	Ping(ctx context.Context) error
	// Meter counts the trips to the store's servers.
	Meter() *TripMeter
	Close() error
}

// Scan says what to read of a lake table. The zero value of a field does not restrict.
type Scan struct {
	Table   string   // "lake.departures"
	Columns []string // nil: all
	// Time names a timestamp column whose values must lie in [From, To]. Files
	// are pruned by it; rows are filtered.
	Time     string
	From, To int64
	Snapshot int64 // snapshot id; 0: AsOf, or the newest
	AsOf     int64 // the newest snapshot committed at or before; 0: the newest

	Batch int64 // about how many bytes a batch shall have at most; 0: what the history thinks best
}

// Snapshot identifies one state of a lake table.
type Snapshot struct {
	ID        int64
	Parent    int64 // the snapshot before it; 0: none
	Committed int64 // microseconds UTC
	Landed    Marks // what the landing had written, for histories of sources
	Rows      int64
	Bytes     int64 // of its data files
}

// FileLayout says how rows are put into files.
type FileLayout struct {
	Bytes int64 // about the size of a file at most; 0: what the store thinks best
	// Partition are columns of which a file has one value each. A table has them from
	// when it was created: they are left out when it is filled.
	Partition   []string
	Compression Compression
}

// Compression is how the pages of files are compressed.
type Compression string

// The compressions that there are; the zero value is Zstd.
const (
	Zstd   Compression = "zstd"
	Snappy Compression = "snappy"
	None   Compression = "none"
)

// SchemaStep is one change of a table's columns: some are new, gone, called otherwise or
// of a wider type.
type SchemaStep struct {
	Mark    string   // which step it is; the table keeps it
	Columns []Column // all of them from then on
	Was     []string // by column: what it was called before; "": it is new
}

// Filled is what Fill wrote.
type Filled struct {
	Snapshot int64 // 0 without rows
	Rows     int64
	Files    []StoredFile
}

// History is the offline store: the tables of the lake. Safe for concurrent use.
type History interface {
	// Create makes a table with those columns, its files divided by the values of some
	// of them; 42P07 when it exists, 0A000 for columns that cannot divide files.
	Create(ctx context.Context, table string, cols []Column, partition ...string) error
	// Drop removes the table from the catalog and its files; 42P01 when it is not there.
	Drop(ctx context.Context, table string) error
	// Describe gives the columns; 42P01 when there is no such table.
	Describe(ctx context.Context, table string) ([]Column, error)
	// Origin is what SetOrigin kept with the table: of which topics the landed
	// positions are; "" for nothing.
	Origin(ctx context.Context, table string) (string, error)
	SetOrigin(ctx context.Context, table, origin string) error
	// Evolve changes the columns of a table by the steps behind the one that it was last
	// brought to, by all of them if that is none of them; each in one commit with its mark.
	// Rows that are there are NULL in a column that is new.
	Evolve(ctx context.Context, table string, steps []SchemaStep) error
	// Current is the newest snapshot; its ID is 0 for an empty table.
	Current(ctx context.Context, table string) (Snapshot, error)
	// Land appends the batch if the table's marks equal from, and records to in
	// the same commit. When they differ it appends nothing and returns the marks
	// found with ok false: the caller decides again (SEMANTICS §6.3). It never
	// retries a commit by itself. A column of the batch has its ArrowType or is a
	// dictionary of it; so with Append.
	Land(ctx context.Context, table string, rows arrow.RecordBatch, from, to Marks) (found Marks, ok bool, err error)
	// Append commits all rows as one snapshot and returns how many they were. An
	// error leaves the table as it was.
	Append(ctx context.Context, table string, rows Records) (int64, error)
	// Fill is Append of rows that are a snapshot of their own, in files as the layout
	// says. The same rows, in the same batches, make files of the same bytes, whatever
	// they are called. No rows make no snapshot.
	Fill(ctx context.Context, table string, l FileLayout, rows Records) (Filled, error)
	// Refill writes rows as Fill does, and says what files they make. Where those are
	// what want has, whatever they are called, it puts those into their places that
	// the table has and that are not there as they were. Otherwise nothing changes.
	Refill(ctx context.Context, table string, l FileLayout, want []StoredFile, rows Records) ([]StoredFile, error)
	// Exclusive calls f while nobody else of this process commits; the calls of f
	// must be made with the context that it gets, by one goroutine at a time.
	Exclusive(ctx context.Context, f func(ctx context.Context) error) error
	// Rollback makes a snapshot of before the newest again; it takes back what this
	// process appended since.
	Rollback(ctx context.Context, table string, snapshot int64) error
	// Tag gives a name to the snapshot that Scan would read, so that it is not expired,
	// and says which it is (Landed is left out); ID 0 and no tag when the table was
	// empty then. A tag of that name is moved.
	Tag(ctx context.Context, s Scan, tag string) (Snapshot, error)
	// Untag removes a tag, if it and the table are there.
	Untag(ctx context.Context, table, tag string) error
	// Scan reads; columns come in the order of Scan.Columns.
	Scan(ctx context.Context, s Scan) (*arrow.Schema, Records, error)
	Close() error
}

// Header is one header of a Kafka record. A name may come more than once.
type Header struct {
	Name  string
	Value []byte
}

// LogRecord is one Kafka record.
type LogRecord struct {
	Partition int32
	Offset    int64
	Timestamp int64 // microseconds (Kafka's are milliseconds)
	Key       []byte
	Value     []byte
	Headers   []Header
	// Control marks the end of a transaction: it has a place in the partition, which
	// a consumer has passed with it, and no content.
	Control bool
}

// Topic is what a log knows of a topic.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions int
	CreateTime bool // timestamps are the producers', not the broker's
}

// Log is the broker: topics to produce to and to consume. Safe for concurrent use.
type Log interface {
	// Topics lists the topics' names.
	Topics(ctx context.Context) ([]string, error)
	// Topic describes a topic; 42P01 when there is none.
	Topic(ctx context.Context, name string) (Topic, error)
	// CreateTopic makes a topic that keeps its records for ever; 42P07 when it is there.
	CreateTopic(ctx context.Context, name string, partitions int) (Topic, error)
	DropTopic(ctx context.Context, name string) error
	// Produce returns when the broker has acknowledged all records. Partition -1
	// lets the key decide; a Timestamp of 0 is now.
	Produce(ctx context.Context, topic string, recs []LogRecord) error
	// Writer takes over the writing under an id: whoever wrote under it before can
	// finish nothing any more, and nothing comes of what he had not finished.
	Writer(ctx context.Context, topic, id string) (LogWriter, error)
	// Offsets are the first and the end offsets per partition (read committed).
	Offsets(ctx context.Context, topic string) (first, end []int64, err error)
	// Consume reads from the offsets, one per partition, without a group. The consumer
	// fetches at most about so many bytes before they are polled, as they lie in the
	// log; one batch of the log's in any case.
	Consume(ctx context.Context, topic string, from []int64, ahead int64) (Consumer, error)
	Close() error
}

// LogWriter writes records to one topic so that readers see all of a write or, of each
// partition, nothing. Not safe for concurrent use.
type LogWriter interface {
	// Write returns when it is sure that the records will be read, a moment later
	// perhaps, and sets their offsets; each names its partition. After an error the
	// writer is of no use any more, and what it wrote last is there or not: the next
	// Writer of its id finds out by reading the topic.
	Write(ctx context.Context, recs []LogRecord) error
	Close()
}

// Consumer reads one topic, read committed, in order within each partition. What
// a transaction wrote that was aborted does not come; its control record does, so
// that the end offsets are reached. Not safe for concurrent use.
type Consumer interface {
	// Poll waits until there is something or ctx ends (then it returns ctx's
	// error). The records' bytes are valid until the next Poll. After Close it fails.
	Poll(ctx context.Context) ([]LogRecord, error)
	// Pause stops fetching partitions, Resume goes on from the offset.
	Pause(partitions ...int32)
	Resume(partition int32, offset int64)
	Close()
}

// Foreign is where sources lie whose rows others write: tables of a lake, files. It is
// only read. Safe for concurrent use. Errors name the table or the file.
type Foreign interface {
	// Columns are those that a source has when it names none itself, read from what it
	// names: 42P01 when there is no such table, 58P01 when there are no such files. A
	// column that the source names is checked: 42703 when it is not there, 42804 when
	// it cannot be read as its type.
	Columns(ctx context.Context, s *Source) ([]Column, error)
	// Tables are what sources can name of a schema: the tables of a namespace, the
	// files of a folder. 3F000 when there is no such schema.
	Tables(ctx context.Context, schema string) ([]string, error)
	// Current is the newest snapshot; its ID is 0 when there are no rows yet.
	Current(ctx context.Context, s *Source) (Snapshot, error)
	// Added are all columns of the rows that were appended between two snapshots; ok is
	// false when rows were changed or removed too, or that cannot be told any more.
	Added(ctx context.Context, s *Source, from, to int64) (rows Records, ok bool, err error)
	// Scan reads columns of the source's own, in the order of Scan.Columns (nil: all).
	// Scan.Table is not looked at.
	Scan(ctx context.Context, s *Source, sc Scan) (*arrow.Schema, Records, error)
}
