package exec

import (
	"errors"
	"io"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// TestSystemScanMemory reads a system relation within the statement's memory: as soon
// as there is no room for a row it is not asked for another one.
func TestSystemScanMemory(t *testing.T) {
	made := 0
	rel := &plan.SystemRelation{Name: "r", Rows: func(_ *fqgw.Env, each func([]fqgw.Value) error) error {
		for made = 0; made < 1000; made++ {
			if err := each([]fqgw.Value{fqgw.IntValue(int64(made)), fqgw.TextValue("a text of this length")}); err != nil {
				return err
			}
		}
		return nil
	}}
	scan := &plan.SystemScan{Rel: rel, Fields: []int{1}}
	memory := fqgw.NewMemory("the statement", "--memory", 64<<10)
	env := &fqgw.Env{Memory: memory}
	_, err := systemScan(env, scan)
	var e *fqgw.Error
	if !errors.As(err, &e) || e.Code != fqgw.CodeOutOfMemory || made == 1000 || memory.Used() != 0 {
		t.Errorf("%v after %d rows, %d bytes are left", err, made, memory.Used())
	}
	scan.Fields = nil // rows without columns, as for count(*), fit
	rows, err := systemScan(env, scan)
	if err != nil {
		t.Fatal(err)
	}
	if memory.Used() < 1000 {
		t.Errorf("only %d bytes are counted", memory.Used())
	}
	n := 0
	for ; err == nil; n++ {
		_, err = rows.Next()
	}
	if rows.Close(); err != io.EOF || n != 1001 || memory.Used() != 0 {
		t.Errorf("%v after %d rows, %d bytes are left", err, n, memory.Used())
	}
}
