package planner

import (
	"context"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/define"
)

// Portal is a bound statement, perhaps in the middle of its rows: what Bind of the
// protocol makes. It is the session's, until it is closed or the part of the
// transaction is over that it was opened in.
type Portal struct {
	Prepared *Prepared
	Formats  []int16 // of the result's columns, as the protocol's Bind says them; kept for the gateway

	session *Session
	name    string
	args    []fqgw.Value
	bytes   int64              // that args take of what the session may keep
	depth   int                // of the marks of the transaction, the one behind which it was opened
	result  *Result            // nil until it is begun
	done    bool               // it was carried out, and its rows have been read
	failed  bool               // while it ran: it cannot go on
	end     context.CancelFunc // ends what its rows live in, where that is not the Execute that began it
	unlink  func() bool        // while it runs, it ends with the Execute that runs it
}

// MayOpen is nil when a portal of that name can be opened over a statement, which
// is bound again if it must be. The unnamed portal is closed for it; another one
// that is open is 42P03.
func (s *Session) MayOpen(name string, p *Prepared) error {
	switch {
	case s.tx.status == 'E' && (p.text == nil || !define.EndsBlock(p.text.stmt)):
		return errAborted
	case p.text == nil || define.Deferred(p.text.stmt):
	default:
		s.tx.queried = s.tx.queried || define.Analysed(p.text.stmt)
		if err := s.fresh(p); err != nil {
			return err
		}
	}
	if name != "" && s.portals[name] != nil {
		return fqgw.Errorf(fqgw.CodeDuplicateCursor, "cursor \"%s\" already exists", name)
	}
	s.ClosePortal(name)
	return nil
}

// Arguments is room for the arguments of the portal that is opened next.
func (s *Session) Arguments(n int) []fqgw.Value {
	if s.spare == nil || cap(s.spare.args) < n {
		return make([]fqgw.Value, n)
	}
	return s.spare.args[:n]
}

// Open makes a portal that MayOpen allowed. The arguments are the portal's then;
// 53200 when the session may not keep them.
func (s *Session) Open(name string, p *Prepared, args []fqgw.Value, formats []int16) error {
	n := fqgw.RowBytes(args)
	if err := s.kept.Take(n); err != nil {
		return err
	}
	s.keeps += n
	portal := s.spare
	if portal == nil {
		portal = &Portal{}
	}
	s.spare = nil
	*portal = Portal{Prepared: p, Formats: append(portal.Formats[:0], formats...), session: s, name: name, args: args, bytes: n,
		depth: max(len(s.tx.marks)-1, 0)}
	s.portals[name] = portal
	return nil
}

// Portal is the open portal of that name; 34000.
func (s *Session) Portal(name string) (*Portal, error) {
	if p := s.portals[name]; p != nil {
		return p, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeInvalidCursor, "portal \"%s\" does not exist", name)
}

// ClosePortal closes a portal; a missing one is not an error.
func (s *Session) ClosePortal(name string) {
	if p := s.portals[name]; p != nil {
		p.close()
	}
}

// closePortals closes the portals that were opened behind the mark of that depth.
func (s *Session) closePortals(depth int) {
	for _, p := range s.portals {
		if p.depth >= depth {
			p.close()
		}
	}
}

func (p *Portal) close() {
	s := p.session
	delete(s.portals, p.name)
	s.keeps -= p.bytes
	s.kept.Give(p.bytes)
	if p.result != nil && p.result.Rows != nil {
		_ = p.result.Rows.Close()
	}
	if p.end != nil {
		p.pause()
		p.end()
	}
	p.result = nil
	clear(p.args)
	s.spare = p // not before another one is opened
}

// Execute carries out the statement of a portal, or goes on with it, and gives its
// result, the same each time. part says that the rows may be read by later calls:
// then they live as long as the portal, and ctx, while it runs. The caller says
// with Suspend or End that it did with the result what there was to do; a portal of
// which that is not said cannot go on (55000).
func (p *Portal) Execute(ctx context.Context, part bool) (*Result, error) {
	s := p.session
	if p.result != nil && s.tx.status == 'E' { // a portal of before the error
		return nil, errAborted
	}
	if p.failed || p.done && p.result.Rows == nil {
		return nil, fqgw.Errorf(fqgw.CodeNotInState, "portal \"%s\" cannot be run", p.name)
	}
	p.failed = true
	begun := p.result != nil
	if part && !begun {
		life, end := context.WithCancel(context.WithoutCancel(ctx))
		p.end = end
		p.link(ctx)
		ctx = life
	} else if p.end != nil && !p.done {
		p.link(ctx)
	}
	if begun {
		return p.result, nil
	}
	res, err := s.Execute(ctx, p.Prepared, p.args)
	p.result = res
	return res, err
}

func (p *Portal) link(ctx context.Context) { p.unlink = context.AfterFunc(ctx, p.end) }

func (p *Portal) pause() {
	if p.unlink != nil {
		p.unlink()
		p.unlink = nil
	}
}

// Done says whether all rows of the portal have been read.
func (p *Portal) Done() bool { return p.done }

// Suspend ends an Execute that left rows to be read.
func (p *Portal) Suspend() {
	p.pause()
	p.failed = false
}

// End ends an Execute that read all rows, or after which there are none.
func (p *Portal) End() error {
	p.pause()
	p.done = true
	if res := p.result; res != nil && res.Rows != nil {
		if err := res.Rows.Close(); err != nil {
			return err
		}
	}
	p.failed = false
	return nil
}
