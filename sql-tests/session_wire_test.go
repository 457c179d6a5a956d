package sqltests

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A turn is what a client sends before it waits, one message a line:
//
//	Query SQL
//	Parse NAME SQL        a name is - when it is empty
//	Bind PORTAL NAME [ARG…]
//	Describe S|P NAME
//	Execute PORTAL MAXROWS
//	Close S|P NAME
//	Flush
//	Sync
//	Data TEXT             CopyData: a line of COPY's text format
//	Done                  CopyDone
//	Fail                  CopyFail
//	Lost                  the client is gone, without a word; the next turn is a new connection
//
// It ends with Query (and COPY's data behind it), Sync or Lost, and is answered
// up to ReadyForQuery.
type turn []string

// talk is one client's connection.
type talk struct {
	addr, user, database string
	net                  net.Conn
	fe                   *pgproto3.Frontend
}

func dialTalk(addr, user, database string) (*talk, error) {
	c := &talk{addr: addr, user: user, database: database}
	return c, c.open()
}

func (c *talk) open() error {
	nc, err := net.Dial("tcp", c.addr)
	if err != nil {
		return err
	}
	_ = nc.SetDeadline(time.Now().Add(60 * time.Second))
	c.net, c.fe = nc, pgproto3.NewFrontend(nc, nc)
	c.fe.Send(&pgproto3.StartupMessage{ProtocolVersion: 3 << 16, Parameters: map[string]string{"user": c.user, "database": c.database}})
	_, err = c.answers()
	return err
}

// close says goodbye and waits until the server has ended the session.
func (c *talk) close() {
	c.fe.Send(&pgproto3.Terminate{})
	_ = c.fe.Flush()
	_, _ = io.Copy(io.Discard, c.net)
	c.net.Close()
}

// do sends a turn and gives its answers, a word each.
func (c *talk) do(t turn) ([]string, error) {
	for _, line := range t {
		if line == "Lost" {
			return []string{"lost"}, c.lose()
		}
		msg, err := message(line)
		if err != nil {
			return nil, err
		}
		c.fe.Send(msg)
	}
	return c.answers()
}

// lose hangs up, waits until the server has noticed, and connects anew.
func (c *talk) lose() error {
	if err := c.fe.Flush(); err != nil {
		return err
	}
	if err := c.net.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, c.net)
	c.net.Close()
	return c.open()
}

func message(line string) (pgproto3.FrontendMessage, error) {
	verb, rest, _ := strings.Cut(line, " ")
	name := func(s string) string { return strings.TrimPrefix(s, "-") }
	words := strings.Fields(rest)
	switch {
	case verb == "Query":
		return &pgproto3.Query{String: rest}, nil
	case verb == "Parse" && len(words) > 0:
		n, sql, _ := strings.Cut(rest, " ")
		return &pgproto3.Parse{Name: name(n), Query: sql}, nil
	case verb == "Bind" && len(words) > 1:
		b := &pgproto3.Bind{DestinationPortal: name(words[0]), PreparedStatement: name(words[1])}
		for _, a := range words[2:] {
			b.Parameters = append(b.Parameters, []byte(a))
		}
		return b, nil
	case verb == "Describe" && len(words) == 2:
		return &pgproto3.Describe{ObjectType: words[0][0], Name: name(words[1])}, nil
	case verb == "Execute" && len(words) == 2:
		n, err := strconv.Atoi(words[1])
		return &pgproto3.Execute{Portal: name(words[0]), MaxRows: uint32(n)}, err
	case verb == "Close" && len(words) == 2:
		return &pgproto3.Close{ObjectType: words[0][0], Name: name(words[1])}, nil
	case verb == "Flush":
		return &pgproto3.Flush{}, nil
	case verb == "Sync":
		return &pgproto3.Sync{}, nil
	case verb == "Data":
		return &pgproto3.CopyData{Data: []byte(rest + "\n")}, nil
	case verb == "Done":
		return &pgproto3.CopyDone{}, nil
	case verb == "Fail":
		return &pgproto3.CopyFail{Message: "no more"}, nil
	}
	return nil, fmt.Errorf("no message: %q", line)
}

// told are the settings that both servers report when they change.
var told = map[string]bool{"application_name": true, "TimeZone": true, "default_transaction_read_only": true, "DateStyle": true, "IntervalStyle": true}

// answers reads up to ReadyForQuery. Messages have no texts, which are a server's
// own: an error is its SQLSTATE.
func (c *talk) answers() ([]string, error) {
	if err := c.fe.Flush(); err != nil {
		return nil, err
	}
	var out []string
	for {
		msg, err := c.fe.Receive()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return append(out, "closed"), nil
			}
			return out, err
		}
		switch m := msg.(type) {
		case *pgproto3.ParameterStatus:
			if told[m.Name] {
				out = append(out, "Parameter("+m.Name+"="+m.Value+")")
			}
		case *pgproto3.ErrorResponse:
			out = append(out, m.Severity+"("+m.Code+")")
		case *pgproto3.NoticeResponse:
			out = append(out, m.Severity+"("+m.Code+")")
		case *pgproto3.CommandComplete:
			out = append(out, "Complete("+string(m.CommandTag)+")")
		case *pgproto3.RowDescription:
			var cols []string
			for _, f := range m.Fields {
				cols = append(cols, fmt.Sprintf("%s:%d", f.Name, f.DataTypeOID))
			}
			out = append(out, "Columns("+strings.Join(cols, ",")+")")
		case *pgproto3.ParameterDescription:
			out = append(out, fmt.Sprintf("Parameters%v", m.ParameterOIDs))
		case *pgproto3.DataRow:
			var cells []string
			for _, v := range m.Values {
				if v == nil {
					v = []byte("NULL")
				}
				cells = append(cells, string(v))
			}
			out = append(out, "Row("+strings.Join(cells, "|")+")")
		case *pgproto3.CopyData:
			out = append(out, fmt.Sprintf("CopyData(%q)", m.Data))
		case *pgproto3.CopyInResponse:
			out = append(out, fmt.Sprintf("CopyIn(%d)", len(m.ColumnFormatCodes)))
		case *pgproto3.CopyOutResponse:
			out = append(out, fmt.Sprintf("CopyOut(%d)", len(m.ColumnFormatCodes)))
		case *pgproto3.ReadyForQuery:
			return append(out, "Ready("+string(m.TxStatus)+")"), nil
		default:
			out = append(out, strings.TrimPrefix(fmt.Sprintf("%T", msg), "*pgproto3."))
		}
	}
}
