package define

import (
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// setVersion is ALTER FEATURE VIEW v SET (version = n).
func (d *Definer) setVersion(v *fqgw.FeatureView, list []*pg.Node, loc int32) (plan.Statement, error) {
	options, err := d.optionList(list)
	if err != nil {
		return nil, err
	}
	for _, o := range options {
		if o.name != "version" {
			return nil, d.unknownOption(o, "version").WithHint("What a view is made WITH changes by CREATE OR REPLACE FEATURE VIEW.")
		}
	}
	if len(options) != 1 {
		return nil, d.fail(loc, fqgw.CodeSyntax, "SET takes one version")
	}
	n, err := strconv.Atoi(options[0].value)
	if err != nil || n < 1 {
		return nil, d.badOption(options[0], "It is the number of a version; fqgw.versions has them.")
	}
	return &plan.SetVersion{View: v.Qualified(), Version: n}, nil
}
