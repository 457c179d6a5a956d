// Command gen makes the fact tables of package pgcatalog from dumps of a
// PostgreSQL 15 catalog: tab-separated, a header line, \N for NULL. It keeps
// names, OIDs and flags and leaves out descriptions.
//
//	gen <folder of CSV dumps> <facts folder>
package main

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
)

// tables are the dumps to keep, with their columns.
var tables = map[string]string{
	"catalog-columns": "nspname relname reloid relkind attnum attname atttypid attnotnull",
	"pg_am":           "oid amname amhandler amtype",
	"pg_cast":         "oid castsource casttarget castfunc castcontext castmethod",
	"pg_collation":    "oid collname collnamespace collowner collprovider collisdeterministic collencoding collcollate collctype",
	"pg_conversion":   "oid conname connamespace conowner conforencoding contoencoding conproc condefault",
	"pg_language":     "oid lanname lanowner lanispl lanpltrusted lanplcallfoid laninline lanvalidator",
	"pg_opclass":      "oid opcmethod opcname opcnamespace opcowner opcfamily opcintype opcdefault opckeytype",
	"pg_operator":     "oid oprname oprnamespace oprowner oprkind oprcanmerge oprcanhash oprleft oprright oprresult oprcom oprnegate oprcode oprrest oprjoin",
	"pg_opfamily":     "oid opfmethod opfname opfnamespace opfowner",
	"pg_proc":         "oid proname pronamespace proowner prolang prokind provolatile proretset proisstrict pronargs pronargdefaults prorettype proargtypes proallargtypes proargmodes proargnames provariadic",
	"pg_range":        "rngtypid rngsubtype rngmultitypid rngcollation rngsubopc rngcanonical rngsubdiff",
	"pg_tablespace":   "oid spcname spcowner",
	"pg_type":         "oid typname typnamespace typowner typlen typbyval typtype typcategory typispreferred typisdefined typdelim typrelid typsubscript typelem typarray typinput typoutput typreceive typsend typmodin typmodout typanalyze typalign typstorage typnotnull typbasetype typtypmod typndims typcollation",
}

// keep says which rows of a dump are wanted.
func keep(table string, row map[string]string) bool {
	switch table {
	case "pg_collation": // not the hundreds of ICU locales and of the machine
		return row["collprovider"] != "i" && row["collname"] != "" && len(row["oid"]) < 5
	case "pg_language": // fqgw runs no procedures
		return row["lanname"] != "plpgsql"
	}
	return true
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: gen <folder of CSV dumps> <facts folder>")
	}
	for name, columns := range tables {
		if err := convert(os.Args[1], os.Args[2], name, strings.Fields(columns)); err != nil {
			log.Fatalf("%s: %v", name, err)
		}
	}
}

func convert(from, to, name string, columns []string) error {
	var in io.Reader
	f, err := os.Open(filepath.Join(from, name+".csv"))
	if err == nil {
		in = f
	} else {
		if f, err = os.Open(filepath.Join(from, name+".csv.gz")); err != nil {
			return err
		}
		if in, err = gzip.NewReader(f); err != nil {
			return err
		}
	}
	defer f.Close()
	records, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(to, name+".tsv"))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	fmt.Fprintln(w, strings.Join(columns, "\t"))
	for _, rec := range records[1:] {
		row := map[string]string{}
		for i, h := range records[0] {
			row[h] = rec[i]
		}
		if !keep(name, row) {
			continue
		}
		vals := make([]string, len(columns))
		for i, c := range columns {
			v, ok := row[c]
			if !ok {
				return fmt.Errorf("no column %s", c)
			}
			if strings.ContainsAny(v, "\t\n\\") {
				v = strings.NewReplacer("\\", "\\\\", "\t", "\\t", "\n", "\\n").Replace(v)
			}
			if vals[i] = v; v == "" {
				vals[i] = `\N`
			}
		}
		fmt.Fprintln(w, strings.Join(vals, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return out.Close()
}
