package pgcatalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// fillTrainingSets gives a row per training set; its manifest is the whole of it.
func fillTrainingSets(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, t := range s.catalog.TrainingSets() {
		kind := "file"
		switch {
		case t.Table != 0:
			kind = "table"
		case len(t.Files) != 1 || t.Files[0].Path != t.Name:
			kind = "folder"
		}
		var bytes, since int64
		var files, relations, snapshots, positions, settings []string
		for _, f := range t.Files {
			bytes += f.Bytes
			files = append(files, fmt.Sprintf("%s %s", f.SHA256, f.Path))
		}
		for _, x := range t.Relations {
			text := x.Kind + " " + x.Name
			if x.Version > 0 {
				text += fmt.Sprintf(" version %d", x.Version)
			}
			relations = append(relations, text)
		}
		for _, x := range t.Tables {
			snapshots = append(snapshots, fmt.Sprintf("%s %d", x.Table, x.Snapshot))
		}
		for _, h := range t.Histories {
			since = max(since, h.Since)
			for p, m := range h.Below {
				positions = append(positions, fmt.Sprintf("%s partition %d: epoch %d below offset %d", h.Source, p, m.Epoch, m.Next))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(t.Settings)) {
			settings = append(settings, name+"="+t.Settings[name])
		}
		manifest := fqgw.Null
		if o, err := t.Object(); err == nil {
			manifest = fqgw.TextValue(o.Props["manifest"])
		}
		out = append(out, row(&r.SystemRelation, fields{"name": text(t.Name), "kind": text(kind), "statement": text(t.SQL),
			"rows": number(t.Rows), "bytes": number(bytes), "files": texts(files),
			"created_at": instant(t.Created), "clock": instant(t.Clock), "history_since": instant(since),
			"relations": texts(relations), "snapshots": texts(snapshots), "positions": texts(positions), "settings": texts(settings),
			"rebuildable": boolean(len(t.Reasons) == 0), "not_rebuildable": textOrNull(strings.Join(t.Reasons, "; ")),
			"manifest": manifest}))
	}
	return out
}
