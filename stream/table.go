package stream

import "github.com/fqgw/fqgw"

// A source whose rows others write has no topic, nothing to land and no session.

// addTable takes up such a source.
func (p *Pipeline) addTable(src *fqgw.Source) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := src.Qualified().String()
	if p.tables[name] != nil {
		return fqgw.Errorf(fqgw.CodeDuplicateTable, "source %q is already running", src.Name)
	}
	p.tables[name] = src
	return nil
}

// dropTable forgets it; false when there is none of the name.
func (p *Pipeline) dropTable(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, there := p.tables[name]
	delete(p.tables, name)
	return there
}

func (p *Pipeline) isTable(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tables[name] != nil
}
