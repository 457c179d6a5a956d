package planner

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/define"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/guc"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// trainingSettings are those that rows depend on, beside the search path.
var trainingSettings = []string{"timezone", "datestyle", "intervalstyle", "bytea_output", "extra_float_digits", "fqgw.as_of"}

// training begins the manifest of a statement whose rows are kept, nil when they are
// no training set.
func (s *Session) training(env *fqgw.Env, of plan.Kept, query plan.Node) (*exec.Training, error) {
	set := &fqgw.TrainingSet{SQL: of.SQL, Path: s.settings.typed.path}
	set.Settings = map[string]string{}
	for _, name := range trainingSettings {
		set.Settings[name], _ = s.settings.value(name, s)
	}
	t, err := s.planner.engine.NewTraining(env, query, of.Used, set)
	if t == nil || err != nil {
		return nil, err
	}
	set.Literals = env.Now
	if env.Literals != nil {
		set.Literals = env.Literals.Now
		if env.Literals.Location().String() != env.Location().String() || env.Literals.Style != env.Style {
			t.Because("it was prepared under other settings than it ran under")
		}
	}
	for i, v := range env.Args {
		a := fqgw.TrainingArgument{Type: of.Params[i].OID, Mod: of.Params[i].Mod}
		if !v.IsNull() {
			text := expr.Text(v, of.Params[i], nil)
			a.Text = &text
		}
		set.Arguments = append(set.Arguments, a)
	}
	return t, nil
}

// trainingSet is the one of that name; 42704.
func (s *Session) trainingSet(name string) (*fqgw.TrainingSet, error) {
	cat := s.planner.engine.Catalog()
	found := cat.TrainingSetsNamed(name)
	if file, ok := strings.CutPrefix(name, "./"); ok {
		found = slices.DeleteFunc(cat.TrainingSetsNamed(file), func(t *fqgw.TrainingSet) bool { return t.Table != 0 })
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 2:
		return nil, fqgw.Errorf(fqgw.CodeAmbiguousFunction, "training set \"%s\" is a table, and another one a file", name).
			WithHint("Name the file by a path with ./ before it.")
	}
	err := fqgw.Errorf(fqgw.CodeUndefinedObject, "training set \"%s\" does not exist", name)
	var names []string
	for _, t := range cat.TrainingSets() {
		names = append(names, t.Name)
	}
	if near := fqgw.Nearest(name, names); near != "" {
		return nil, err.WithHint("Perhaps you meant \"%s\".", near)
	}
	return nil, err.WithHint("fqgw.training_sets has all: CREATE TABLE … AS and COPY … TO a file make one where they read AS OF.")
}

// rebuild is fqgw.rebuild(name).
func (s *Session) rebuild(ctx context.Context, name string) (string, error) {
	if err := s.writable("fqgw.rebuild()"); err != nil {
		return "", err
	}
	t, err := s.trainingSet(name)
	if err != nil {
		return "", err
	}
	e := s.planner.engine
	if err := e.Rebuildable(ctx, t); err != nil {
		return "", err
	}
	env, err := s.envOf(ctx, t)
	if err != nil {
		return "", err
	}
	st, err := s.bound(t, env.Args)
	if err != nil {
		return "", again(t, err)
	}
	var memory fqgw.Memory
	memory.Within(s.memory, "the statement", "--memory", e.MemoryLimit())
	defer memory.Close()
	env.Memory, env.Run = &memory, s.subplan
	var done string
	switch st := st.(type) {
	case *plan.CopyTo:
		done, err = e.Rebuild(env, t, exec.CopyTo{Query: st.Query, Path: st.Path, Columns: fileColumns(st.Query), Layout: st.Layout})
	case *plan.CreateTable:
		done, err = e.RebuildTable(env, t, st)
	default:
		err = fqgw.Errorf(fqgw.CodeDataCorrupted, "the statement of training set \"%s\" is a %T", t.Name, st)
	}
	return done, again(t, err)
}

// envOf is the environment in which a training set's statement ran.
func (s *Session) envOf(ctx context.Context, t *fqgw.TrainingSet) (*fqgw.Env, error) {
	of := t.Settings
	zone, _ := expr.SessionZone(of["timezone"])
	if zone == nil {
		return nil, fqgw.Errorf(fqgw.CodeNotInState, "training set \"%s\" cannot be rebuilt: time zone \"%s\" is not known any more",
			t.Name, of["timezone"])
	}
	var err error
	env := &fqgw.Env{Ctx: ctx, Now: t.Clock, Zone: zone, Session: s,
		Style: guc.Style(of["datestyle"], of["intervalstyle"], of["bytea_output"], of["extra_float_digits"])}
	literals := *env
	literals.Now = t.Literals
	env.Literals = &literals
	for _, a := range t.Arguments {
		v := fqgw.Null
		if a.Text != nil {
			if v, err = expr.Parse(*a.Text, fqgw.Type{OID: a.Type, Mod: a.Mod}, nil); err != nil {
				return nil, err
			}
		}
		env.Args = append(env.Args, v)
	}
	return env, nil
}

// bound is a training set's statement, bound to what its names meant.
func (s *Session) bound(t *fqgw.TrainingSet, args []fqgw.Value) (plan.Statement, error) {
	stmts, err := parse.Parse(t.SQL)
	if err != nil {
		return nil, err
	}
	if len(stmts) != 1 {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "%d statements", len(stmts))
	}
	e := s.planner.engine
	b := &bind.Binder{Catalog: e.CatalogOf(t), System: e.SystemRelation, SearchPath: t.Path, Stmt: stmts[0]}
	if at := t.Settings["fqgw.as_of"]; at != "" {
		v, err := expr.Parse(at, fqgw.Timestamptz, nil)
		if err != nil {
			return nil, err
		}
		b.AsOfDefault = &expr.Const{Val: v, Typ: fqgw.Timestamptz}
	}
	if len(args) > 0 {
		oids := make([]uint32, len(args))
		for i, a := range t.Arguments {
			oids[i] = a.Type
		}
		b.Params = bind.NewParams(oids)
	}
	return (&define.Definer{Binder: b}).Bind(stmts[0])
}

// again makes an error of a statement that runs again one that says so; its place in
// the text is not one of the text that the client sent.
func again(t *fqgw.TrainingSet, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := *fqgw.AsError(err)
	e.Position = 0
	if !strings.Contains(e.Message, t.Name) {
		e.Message = "rebuilding training set \"" + t.Name + "\": " + e.Message
	}
	return &e
}

// dropTrainingSet is fqgw.drop_training_set(name).
func (s *Session) dropTrainingSet(ctx context.Context, name string) error {
	if err := s.writable("fqgw.drop_training_set()"); err != nil {
		return err
	}
	t, err := s.trainingSet(name)
	if err != nil {
		return err
	}
	return s.planner.engine.DropTraining(ctx, t, s.notify)
}
