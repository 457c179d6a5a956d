package parse

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Form is the statement's tree without what says where something is written: equal
// for texts that differ in white space, comments, letter case of words and names,
// and whatever else the grammar reads as the same. It outlives the process, by its
// hash; a parser with other trees makes other forms.
func (s *Statement) Form() ([]byte, error) {
	b, err := json.Marshal([]any{s.Node, s.AsOf, s.KnownAt, s.Definition, s.OrReplace, s.Purge})
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	return json.Marshal(placeless(tree)) // the keys of objects are sorted
}

func placeless(n any) any {
	switch n := n.(type) {
	case map[string]any:
		for k, v := range n {
			if k == "location" || strings.HasSuffix(k, "_location") || k == "stmt_len" || k == "list_start" || k == "list_end" {
				delete(n, k)
			} else {
				n[k] = placeless(v)
			}
		}
	case []any:
		for i, v := range n {
			n[i] = placeless(v)
		}
	}
	return n
}
