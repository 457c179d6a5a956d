package fqgw

import (
	"encoding/json"
	"slices"
	"strings"
)

// TrainingSet is a training set with its manifest: of what it was made, so that the
// same bytes can be made again. It is a table of the lake or Parquet files.
type TrainingSet struct {
	OID  uint32
	Name string   // the table's; of files their path below the folder that SQL may use
	SQL  string   // the statement, as written
	Path []string // where its bare names were looked up
	TrainingManifest
}

// TrainingManifest is what the registry keeps of a training set beside its statement,
// as JSON, version 1; testdata/training.golden pins it. Times are microseconds UTC.
type TrainingManifest struct {
	Version   int                `json:"version"`
	Table     uint32             `json:"table,omitempty"` // OID of the table; 0: files
	Made      int64              `json:"made,omitempty"`  // the table's snapshot that has the rows
	Created   int64              `json:"created"`         // by the machine's clock
	Clock     int64              `json:"clock"`           // T
	Literals  int64              `json:"literals"`        // what 'now' in a literal meant
	Settings  map[string]string  `json:"settings"`
	Arguments []TrainingArgument `json:"arguments,omitempty"`
	Relations []TrainingRelation `json:"relations"` // that the statement names, in plain views too
	Tables    []TrainingTable    `json:"tables,omitempty"`
	Histories []TrainingHistory  `json:"histories,omitempty"`
	Rows      int64              `json:"rows"`
	Files     []StoredFile       `json:"files"`
	Writer    string             `json:"writer"` // what made the files' bytes
	// Reasons are why it cannot be made again; empty when it can.
	Reasons []string `json:"reasons,omitempty"`
}

// TrainingArgument is a parameter's value, as text; nil is NULL.
type TrainingArgument struct {
	Type uint32  `json:"type"`
	Mod  int32   `json:"mod"`
	Text *string `json:"text"`
}

// TrainingRelation is a relation as it was defined.
type TrainingRelation struct {
	Kind    string `json:"kind"` // as Catalog.Has says it
	Name    string `json:"name"`
	OID     uint32 `json:"oid"`
	Version int    `json:"version,omitempty"` // of a feature view, or of a source's gate
	Form    string `json:"form"`              // Object.Form
}

// TrainingTable is a snapshot of a lake table that was read, and the tag that keeps it.
type TrainingTable struct {
	Table    string `json:"table"`
	Source   uint32 `json:"source,omitempty"` // OID of the source whose rows it has; 0: a table of the catalog
	AsOf     int64  `json:"as_of,omitempty"`  // the time that it was asked for by, 0: the newest
	Snapshot int64  `json:"snapshot"`         // 0: the table was empty
	Tag      string `json:"tag,omitempty"`
}

// TrainingHistory is a source's history as it was read: the rows below the positions,
// however they lie in files.
type TrainingHistory struct {
	Source string `json:"source"` // its name
	OID    uint32 `json:"oid"`
	Below  Marks  `json:"-"`
	// Since is the least known time of the source's records, 0 without any: windows
	// that reach before it are answered from what there is.
	Since int64 `json:"since,omitempty"`
}

// StoredFile is a Parquet file that was written.
type StoredFile struct {
	Path   string `json:"path"` // from the training set's folder, or the file's URL in the lake
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// SameFiles says whether files have the same bytes, whatever they are called.
func SameFiles(a, b []StoredFile) bool {
	return slices.EqualFunc(a, b, func(a, b StoredFile) bool { return a.Rows == b.Rows && a.Bytes == b.Bytes && a.SHA256 == b.SHA256 })
}

const trainingVersion = 1

// history is the stored form of a TrainingHistory: of each partition the epoch and the
// offset below which was read.
type history struct {
	plainHistory
	Below [][2]int64 `json:"below"`
}

type plainHistory TrainingHistory

// MarshalJSON implements json.Marshaler.
func (h TrainingHistory) MarshalJSON() ([]byte, error) {
	out := history{plainHistory(h), [][2]int64{}}
	for _, m := range h.Below {
		out.Below = append(out.Below, [2]int64{int64(m.Epoch), m.Next})
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *TrainingHistory) UnmarshalJSON(text []byte) error {
	var in history
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*h = TrainingHistory(in.plainHistory)
	for _, m := range in.Below {
		h.Below = append(h.Below, Mark{Epoch: int32(m[0]), Next: m[1]})
	}
	return nil
}

const trainingKind, trainingProp = "training set", "manifest"

// Object is what the registry keeps of a training set.
func (t *TrainingSet) Object() (Object, error) {
	m := t.TrainingManifest
	m.Version = trainingVersion
	text, err := json.Marshal(&m)
	return Object{OID: t.OID, Kind: trainingKind, Name: t.Name, Version: 1, SQL: t.SQL, Path: t.Path,
		Props: map[string]string{trainingProp: string(text)}}, err
}

// TrainingSetOf reads what Object made; nil for an object that is no training set.
// XX001 when it cannot be read.
func TrainingSetOf(o *Object) (*TrainingSet, error) {
	if o.Kind != trainingKind {
		return nil, nil
	}
	t := &TrainingSet{OID: o.OID, Name: o.Name, SQL: o.SQL, Path: o.Path}
	if err := json.Unmarshal([]byte(o.Props[trainingProp]), &t.TrainingManifest); err != nil || t.Version != trainingVersion {
		return nil, Errorf(CodeDataCorrupted, "the manifest of training set \"%s\" cannot be read: %q", o.Name, o.Props[trainingProp])
	}
	return t, nil
}

// Key is what no two training sets share: a table and a file may have one name.
func (t *TrainingSet) Key() string {
	if t.Table != 0 {
		return "table " + t.Name
	}
	return "files " + t.Name
}

// TrainingSetsNamed are the training sets of a name, a table first: one or two.
func (c *Catalog) TrainingSetsNamed(name string) (out []*TrainingSet) {
	for _, kind := range []string{"table ", "files "} {
		if t := c.Training[kind+name]; t != nil {
			out = append(out, t)
		}
	}
	return out
}

// TrainingSetOfTable is the training set that a table is, nil if it is none.
func (c *Catalog) TrainingSetOfTable(oid uint32) *TrainingSet {
	for _, t := range c.Training {
		if t.Table == oid && oid != 0 {
			return t
		}
	}
	return nil
}

// TrainingSets are all training sets by name.
func (c *Catalog) TrainingSets() []*TrainingSet {
	out := make([]*TrainingSet, 0, len(c.Training))
	for _, t := range c.Training {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *TrainingSet) int { return strings.Compare(a.Name+" "+a.Key(), b.Name+" "+b.Key()) })
	return out
}
