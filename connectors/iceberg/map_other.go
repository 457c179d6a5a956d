//go:build !unix

package iceberg

// mapFile is the content of a file, until unmap is called.
func mapFile(path string) (data []byte, p *pages, unmap func(), err error) { return readWhole(path) }

// pages has nothing to give back where files are read whole.
type pages struct{}

func (p *pages) giveBack([]byte) {}
