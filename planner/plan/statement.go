package plan

import "github.com/fqgw/fqgw"

// Statement is one bound statement; the kinds are those of this file.
type Statement interface{ statement() }

type (
	// Query is a SELECT or VALUES.
	Query struct {
		Root     Node
		Compiled Compiled // of Root
	}
	// Explain shows the plan of Statement; Analyze runs it first.
	Explain struct {
		Statement Statement
		Analyze   bool
		Format    string   // "text" or "json"
		Views     []string // how each plain view is read: "v: feature service", "v: plain SQL"
	}
	CreateSource struct {
		Source      *fqgw.Source // without OID
		IfNotExists bool
		OrReplace   bool
		Notices     []string
	}
	// ImportForeignSchema makes sources, all or none.
	ImportForeignSchema struct {
		Sources []*fqgw.Source
		Notices []string // of what is not imported
	}
	CreateFeatureView struct {
		View        *fqgw.FeatureView // without OID, version and state
		Path        []string          // where its bare names were looked up; nil: in public
		IfNotExists bool
		OrReplace   bool
		NoWait      bool
		Notices     []string
	}
	CreateView struct {
		View      *fqgw.View // without OID
		OrReplace bool
	}
	// CreateTable makes a table; with Query it is CREATE TABLE AS.
	CreateTable struct {
		Table       *fqgw.Table // without OID and History
		Query       Node
		WithNoData  bool
		Temp        bool
		IfNotExists bool
		Kept        Kept // with Query
		Layout      fqgw.FileLayout
	}
	// Insert writes the rows of Query, whose columns are Fields of the target;
	// other columns are NULL. Field len(columns) of a source is _fq_known_at.
	Insert struct {
		Source *fqgw.Source
		Table  *fqgw.Table
		Fields []int
		Query  Node
	}
	// CopyFrom is COPY … FROM STDIN; fields as in Insert.
	CopyFrom struct {
		Source *fqgw.Source
		Table  *fqgw.Table
		Fields []int
		Format CopyFormat
	}
	// CopyTo is COPY … TO STDOUT, or to a file when Path is set.
	CopyTo struct {
		Query  Node
		Path   string
		Format CopyFormat
		Layout fqgw.FileLayout // of Parquet files
		Kept   Kept
	}
	// Kept is what makes a query anew whose rows are kept.
	Kept struct {
		SQL    string      // the whole statement, as written
		Used   []any       // the relations that it names (bind.Binder.Used)
		Params []fqgw.Type // of its parameters
	}
	Drop struct {
		Kind     string // "source", "feature view", "view", "table"
		Names    []RelationName
		IfExists bool
		Cascade  bool
		Purge    bool
	}
	// RelationName is a name with how it was written; without a schema it may be that
	// of a temporary table.
	RelationName struct {
		fqgw.QualifiedName
		Written string // the schema as the statement has it, "" for none
	}
	// AlterFeature sets or drops a feature's default.
	AlterFeature struct {
		View    fqgw.QualifiedName
		Feature string
		Default fqgw.Value // NULL drops it
		SQL     string     // of the default
	}
	// AlterRelation changes columns, CHECKs and options of a source, or columns of a table.
	AlterRelation struct {
		Kind    string // "source", "table"
		Name    fqgw.QualifiedName
		SQL     string                        // the statement
		Views   map[fqgw.QualifiedName]string // the texts of feature views, where a column has another name in them
		Renamed [2]string                     // a column's name before and after; "" for none
		Notices []string
	}
	// Rename gives a relation another name, in its schema.
	Rename struct {
		Kind string // "feature view", "table", "view"
		Name fqgw.QualifiedName
		To   string
	}
	// SetVersion makes another version of a feature view the current one.
	SetVersion struct {
		View    fqgw.QualifiedName
		Version int
	}
	Comment struct {
		Kind         string
		Name         fqgw.QualifiedName
		Column, Text string
	}
	// Refresh is REFRESH MATERIALIZED VIEW: accepted, does nothing.
	Refresh struct{ Name string }
	// Set is SET or RESET: to Value, which is as SHOW prints it, or to the default;
	// All is RESET ALL.
	Set struct {
		Name, Value  string
		Local        bool
		Default, All bool
		Reset        bool // written RESET
	}
	// SetTransaction is SET TRANSACTION, with Session SET SESSION CHARACTERISTICS.
	SetTransaction struct {
		Modes   []Mode
		Session bool
	}
	// Mode is a mode of transactions: the setting of this name and its value.
	Mode struct{ Name, Value string }
	Show struct{ Name string }
	// Transaction is BEGIN, COMMIT, ROLLBACK, SAVEPOINT …
	Transaction struct {
		Kind  TransactionKind
		Name  string // of the savepoint
		Modes []Mode // of BEGIN
		Tag   string // "START TRANSACTION" and the like
	}
	// Prepare, Execute, Deallocate and Discard are the SQL forms.
	Prepare struct {
		Name  string
		Types []fqgw.Type
		Text  string // of the statement
	}
	Execute struct {
		Name string
		Args []fqgw.Expr
	}
	Deallocate struct{ Name string } // "" is ALL
	Discard    struct{ What string }
	// Grant and the like: accepted with a notice where fqgw has nothing to do yet.
	NoOp struct{ Tag, Notice string }
	// Vacuum compacts the histories of sources, removes what is old of them and of
	// tables, and sends what is cold of feature views to the lake.
	Vacuum struct {
		Sources []*fqgw.Source
		Tables  []*fqgw.Table
		Views   []*fqgw.FeatureView
	}
)

// TransactionKind is what a Transaction statement does.
type TransactionKind uint8

const (
	Begin TransactionKind = iota
	Commit
	Rollback
	Savepoint
	Release
	RollbackTo
)

// CopyFormat is how COPY writes or reads rows.
type CopyFormat struct {
	Name       string // "text", "csv", "binary", "parquet"
	Header     bool
	Delimiter  byte
	Null       string
	Quote      byte
	Escape     byte
	ForceQuote []string // csv: columns always quoted; "*" alone: all
}

func (*Query) statement()               {}
func (*Explain) statement()             {}
func (*CreateSource) statement()        {}
func (*ImportForeignSchema) statement() {}
func (*CreateFeatureView) statement()   {}
func (*CreateView) statement()          {}
func (*CreateTable) statement()         {}
func (*Insert) statement()              {}
func (*CopyFrom) statement()            {}
func (*CopyTo) statement()              {}
func (*Drop) statement()                {}
func (*AlterFeature) statement()        {}
func (*AlterRelation) statement()       {}
func (*Rename) statement()              {}
func (*SetVersion) statement()          {}
func (*Comment) statement()             {}
func (*Refresh) statement()             {}
func (*Set) statement()                 {}
func (*SetTransaction) statement()      {}
func (*Show) statement()                {}
func (*Transaction) statement()         {}
func (*Prepare) statement()             {}
func (*Execute) statement()             {}
func (*Deallocate) statement()          {}
func (*Discard) statement()             {}
func (*NoOp) statement()                {}
func (*Vacuum) statement()              {}
