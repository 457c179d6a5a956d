package relational

import (
	"errors"
	"io"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// shared is the rows of a common table expression: found as its scans ask for
// them, as in PostgreSQL, so that a reader who stops early ends a recursion that
// has no end. They are kept for further scans, those of a correlated one until
// the run of its program ends.
type shared struct {
	run     *run
	cte     *plan.CTE
	env     fqgw.Env // of its first scan
	account *account

	rows  rowList   // found so far
	input fqgw.Rows // where the next ones come from; nil at the end, and before the beginning
	begun bool
	err   error // by which it ended

	seen  *keySet // UNION: every row so far
	types []fqgw.Type
	buf   []byte
	work  int // where the working table begins in rows: what the step before added
	added int // where it ends, and what this one adds begins
}

func (in *instance) cte(c *plan.CTE) fqgw.Rows {
	origin := c.Origin()
	s := in.run.ctes[origin]
	if s == nil || c.Correlated { // its rows are those of this run of the program
		s = &shared{run: in.run, cte: c, env: in.env, account: &in.run.lasting}
		if c.Recursive && !c.All {
			s.seen, s.types = &keySet{}, plan.Types(c.Plan.Columns())
		}
		if c.Correlated {
			s.account = &in.account
			in.atEnd = append(in.atEnd, s.close)
		} else {
			in.run.names(origin, s)
			in.run.atEnd = append(in.run.atEnd, s.close)
		}
	}
	return &sharedRows{s: s}
}

// names says what scans and working tables of a common table expression mean.
func (r *run) names(origin *plan.CTE, s *shared) {
	if r.ctes == nil {
		r.ctes = map[*plan.CTE]*shared{}
	}
	r.ctes[origin] = s
}

// sharedRows is one scan.
type sharedRows struct {
	s  *shared
	at int
}

func (r *sharedRows) Next() ([]fqgw.Value, error) {
	if r.at == r.s.rows.n {
		if err := r.s.pull(); err != nil {
			return nil, err
		}
	}
	r.at++
	return r.s.rows.at(r.at - 1), nil
}

func (r *sharedRows) Close() error { return nil }

// pull finds one more row; io.EOF when there is none.
func (s *shared) pull() error {
	if s.err != nil {
		return s.err
	}
	if s.cte.Recursive {
		// The step's scans of the working table mean this one, whichever is under way.
		origin := s.cte.Origin()
		around := s.run.ctes[origin]
		s.run.names(origin, s)
		defer func() { s.run.ctes[origin] = around }()
	}
	s.err = s.find()
	if err := s.err; err != nil {
		s.close()
		s.err = err
		return err
	}
	return nil
}

func (s *shared) find() (err error) {
	if !s.begun {
		s.begun = true
		if s.input, err = s.run.rows(&s.env, s.cte.Plan); err != nil {
			return err
		}
	}
	for n := 0; ; n++ {
		if n&often == 0 && s.env.Ctx.Err() != nil {
			return s.env.Ctx.Err()
		}
		row, err := s.input.Next()
		if err == io.EOF {
			if err = s.step(); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if s.seen != nil {
			s.buf = rowKey(s.buf[:0], row, s.types)
			if _, added := s.seen.add(s.buf); !added {
				continue
			}
			if err := s.run.takeBytes(s.account, keyBytes+int64(len(s.buf))); err != nil {
				return err
			}
		}
		if err := s.run.takeBytes(s.account, rowBytes(row)); err != nil {
			return err
		}
		s.rows.add(row)
		return nil
	}
}

// step goes on with the next step of a recursion; io.EOF when the one before
// added nothing, and for what is not recursive.
func (s *shared) step() error {
	err := s.input.Close()
	s.input = nil
	if err != nil {
		return err
	}
	if !s.cte.Recursive || s.added == s.rows.n {
		return io.EOF
	}
	s.work, s.added = s.added, s.rows.n
	s.input, err = s.run.rows(&s.env, s.cte.Step)
	return err
}

// close ends what finds rows; those that were found stay.
func (s *shared) close() {
	if s.input != nil {
		s.input.Close()
		s.input = nil
	}
	if s.err == nil {
		s.err = errors.New("a common table expression is read after its end")
	}
	s.seen = nil
}

func (in *instance) workTable(c *plan.CTE) (fqgw.Rows, error) {
	s := in.run.ctes[c.Origin()]
	if s == nil {
		return nil, fqgw.Errorf(fqgw.CodeInternal, "the working table of \"%s\" is read outside its query", c.Name)
	}
	return &listRows{list: &s.rows, at: s.work, end: s.added}, nil
}
