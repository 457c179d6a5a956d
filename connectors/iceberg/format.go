package iceberg

import (
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// readable are the parts of a scan with the formats of their files as iceberg-go
// compares them, in capitals. Others write them as they like: DuckDB's are small, and
// iceberg-go reads none of its files and takes its deletion vectors for lists of positions.
func readable(tasks []table.FileScanTask) []table.FileScanTask {
	out := slices.Clone(tasks)
	for i := range out {
		t := &out[i]
		t.File = capital(t.File)
		t.EqualityDeleteFiles = capitals(t.EqualityDeleteFiles)
		deletes := capitals(slices.Concat(t.DeleteFiles, t.DeletionVectorFiles))
		t.DeleteFiles, t.DeletionVectorFiles = nil, nil
		for _, d := range deletes {
			switch {
			case !table.IsDeletionVector(d):
				t.DeleteFiles = append(t.DeleteFiles, d)
			case d.ReferencedDataFile() != nil && *d.ReferencedDataFile() == t.File.FilePath():
				t.DeletionVectorFiles = append(t.DeletionVectorFiles, d)
			}
		}
	}
	return out
}

func capitals(files []iceberg.DataFile) []iceberg.DataFile {
	out := slices.Clone(files)
	for i, f := range out {
		out[i] = capital(f)
	}
	return out
}

func capital(f iceberg.DataFile) iceberg.DataFile {
	if as := iceberg.FileFormat(strings.ToUpper(string(f.FileFormat()))); as != f.FileFormat() {
		return formatted{f, as}
	}
	return f
}

// formatted is a file with its format in capitals.
type formatted struct {
	iceberg.DataFile
	format iceberg.FileFormat
}

// FileFormat implements iceberg.DataFile.
func (f formatted) FileFormat() iceberg.FileFormat { return f.format }
