package plan

func (n *Values) Columns() []Column      { return n.Cols }
func (n *SourceScan) Columns() []Column  { return n.Cols }
func (n *TableScan) Columns() []Column   { return n.Cols }
func (n *SystemScan) Columns() []Column  { return n.Cols }
func (n *TableFunc) Columns() []Column   { return n.Cols }
func (n *FeatureScan) Columns() []Column { return n.Cols }
func (n *CTEScan) Columns() []Column     { return n.Cols }
func (n *WorkTable) Columns() []Column   { return n.Cols }
func (n *FeatureJoin) Columns() []Column { return n.Cols }
func (n *Entities) Columns() []Column    { return n.Cols }
func (n *Settle) Columns() []Column      { return n.Cols }
func (n *Filter) Columns() []Column      { return n.Input.Columns() }
func (n *Project) Columns() []Column     { return n.Cols }
func (n *ProjectSet) Columns() []Column  { return n.Cols }
func (n *Aggregate) Columns() []Column   { return n.Cols }
func (n *Window) Columns() []Column      { return n.Cols }
func (n *Sort) Columns() []Column        { return n.Input.Columns() }
func (n *Limit) Columns() []Column       { return n.Input.Columns() }
func (n *Distinct) Columns() []Column    { return n.Input.Columns() }
func (n *SetOp) Columns() []Column       { return n.Cols }

func (n *Join) Columns() []Column {
	if n.Kind == Semi || n.Kind == Anti {
		return n.Left.Columns()
	}
	l, r := n.Left.Columns(), n.Right.Columns()
	return append(l[:len(l):len(l)], r...)
}

func (n *Values) Children() []Node      { return nil }
func (n *SourceScan) Children() []Node  { return nil }
func (n *TableScan) Children() []Node   { return nil }
func (n *SystemScan) Children() []Node  { return nil }
func (n *TableFunc) Children() []Node   { return nil }
func (n *FeatureScan) Children() []Node { return nil }
func (n *CTEScan) Children() []Node     { return nil }
func (n *WorkTable) Children() []Node   { return nil }
func (n *FeatureJoin) Children() []Node { return []Node{n.Input} }
func (n *Entities) Children() []Node    { return []Node{n.Input} }
func (n *Settle) Children() []Node      { return []Node{n.Input} }
func (n *Filter) Children() []Node      { return []Node{n.Input} }
func (n *Project) Children() []Node     { return []Node{n.Input} }
func (n *ProjectSet) Children() []Node  { return []Node{n.Input} }
func (n *Aggregate) Children() []Node   { return []Node{n.Input} }
func (n *Window) Children() []Node      { return []Node{n.Input} }
func (n *Sort) Children() []Node        { return []Node{n.Input} }
func (n *Limit) Children() []Node       { return []Node{n.Input} }
func (n *Distinct) Children() []Node    { return []Node{n.Input} }
func (n *SetOp) Children() []Node       { return []Node{n.Left, n.Right} }
func (n *Join) Children() []Node        { return []Node{n.Left, n.Right} }

func (*Values) node()      {}
func (*SourceScan) node()  {}
func (*TableScan) node()   {}
func (*SystemScan) node()  {}
func (*TableFunc) node()   {}
func (*FeatureScan) node() {}
func (*CTEScan) node()     {}
func (*WorkTable) node()   {}
func (*FeatureJoin) node() {}
func (*Entities) node()    {}
func (*Settle) node()      {}
func (*Filter) node()      {}
func (*Project) node()     {}
func (*ProjectSet) node()  {}
func (*Aggregate) node()   {}
func (*Window) node()      {}
func (*Sort) node()        {}
func (*Limit) node()       {}
func (*Distinct) node()    {}
func (*SetOp) node()       {}
func (*Join) node()        {}
