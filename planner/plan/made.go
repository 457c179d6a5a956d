package plan

import "sync"

// Made is a place for what an executor makes of a plan once. The zero value is
// empty. Safe for concurrent use.
type Made struct {
	once sync.Once
	what any
}

// Get is what was made, by the first call's function.
func (m *Made) Get(of func() any) any {
	m.once.Do(func() { m.what = of() })
	return m.what
}
