package embedded

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/alicebob/miniredis/v2"
)

// The file outlives the process; testdata/save.golden pins it.
//
//	"fqgw online 1\n"
//	owner                       a text
//	key, value                  two texts, any number of times
//	""                          an empty text: no key is
//	CRC-32C of all before it    4 bytes, big endian
//
// A text is its length, uvarint, and its bytes.
const saveHeader = "fqgw online 1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// save writes all keys into a new file beside path, which is to be renamed to it, so that
// there is the old one or the new one whenever the process ends. Keys for which first is
// true are read before all others, and others that are made meanwhile may be missing.
func save(m *miniredis.Miniredis, path, owner string, first func(key string) bool) (unfinished string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // what was written is of no use
			_ = os.Remove(f.Name())
		}
	}()
	sum := crc32.New(castagnoli)
	w := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	text := func(s string) {
		_, _ = w.Write(binary.AppendUvarint(w.AvailableBuffer(), uint64(len(s)))) // w keeps its error
		_, _ = w.WriteString(s)
	}
	_, _ = w.WriteString(saveHeader)
	text(owner)
	for _, now := range []bool{true, false} {
		for _, key := range m.Keys() { // listed anew: what was made before the first were read is there
			if first(key) != now {
				continue
			}
			if value, err := m.Get(key); err == nil { // else it is gone again
				text(key)
				text(value)
			}
		}
	}
	text("")
	if err := w.Flush(); err != nil {
		return "", err
	}
	if _, err := f.Write(sum.Sum(nil)); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// restore reads what save wrote for the same owner; found is false when there is no such
// file, or it is another owner's. A file that cannot be read is an error, and
// then, too, nothing of it is taken.
func restore(m *miniredis.Miniredis, path, owner string) (found bool, err error) {
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	end := len(b) - crc32.Size
	if !bytes.HasPrefix(b, []byte(saveHeader)) || end < len(saveHeader) {
		return false, fmt.Errorf("%s is of an unknown format", path)
	}
	if crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return false, fmt.Errorf("%s is damaged: its checksum differs", path)
	}
	b = b[len(saveHeader):end]
	text := func() string {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			err = fmt.Errorf("%s is damaged: a text has no end", path)
			b = nil
			return ""
		}
		s := string(b[size : size+int(n)])
		b = b[size+int(n):]
		return s
	}
	if text() != owner {
		return false, err
	}
	for key := text(); key != ""; key = text() {
		if err := m.Set(key, text()); err != nil {
			return false, err
		}
	}
	if err != nil {
		m.FlushAll()
	}
	return err == nil, err
}
