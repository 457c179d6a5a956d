package sqltests

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// frames is a client that shows exactly which messages came.
type frames struct {
	t      *testing.T
	net    net.Conn
	fe     *pgproto3.Frontend
	pid    uint32
	secret []byte
	last   *pgproto3.ErrorResponse
}

func openFrames(t *testing.T, addr string) *frames {
	f := rawFrames(t, addr)
	f.fe.Send(&pgproto3.StartupMessage{ProtocolVersion: 3 << 16, Parameters: map[string]string{"user": "test", "database": "fqgw"}})
	f.expect("AuthenticationOk BackendKeyData Ready(I)")
	return f
}

func rawFrames(t *testing.T, addr string) *frames {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	return &frames{t: t, net: nc, fe: pgproto3.NewFrontend(nc, nc)}
}

// answers writes what is pending and reads up to as many messages as wanted has
// words, one word each; ParameterStatus is passed over.
func (f *frames) answers(n int) []string {
	f.t.Helper()
	if err := f.fe.Flush(); err != nil {
		f.t.Fatal(err)
	}
	var got []string
	for len(got) < n {
		msg, err := f.fe.Receive()
		if err != nil {
			return append(got, "closed")
		}
		var w string
		switch m := msg.(type) {
		case *pgproto3.ParameterStatus:
			continue
		case *pgproto3.BackendKeyData:
			f.pid, f.secret, w = m.ProcessID, slices.Clone(m.SecretKey), "BackendKeyData"
		case *pgproto3.ErrorResponse:
			f.last = &pgproto3.ErrorResponse{Severity: m.Severity, Code: m.Code, Message: m.Message, Hint: m.Hint}
			w = "Error(" + m.Code + ")"
			if m.Severity == "FATAL" {
				w = "Fatal(" + m.Code + ")"
			}
		case *pgproto3.ReadyForQuery:
			w = "Ready(" + string(m.TxStatus) + ")"
		case *pgproto3.CommandComplete:
			w = "Complete(" + strings.ReplaceAll(string(m.CommandTag), " ", "_") + ")"
		case *pgproto3.DataRow:
			var cells []string
			for _, v := range m.Values {
				if len(v) > 0 && v[0] < ' ' { // binary
					v = []byte(fmt.Sprintf("%x", v))
				}
				cells = append(cells, string(v))
			}
			w = "Row(" + strings.Join(cells, "|") + ")"
		case *pgproto3.RowDescription:
			var cols []string
			for _, c := range m.Fields {
				cols = append(cols, fmt.Sprintf("%s:%d:%d", c.Name, c.DataTypeOID, c.Format))
			}
			w = "Columns(" + strings.Join(cols, ",") + ")"
		case *pgproto3.ParameterDescription:
			w = strings.ReplaceAll(fmt.Sprintf("Params%v", m.ParameterOIDs), " ", ",")
		case *pgproto3.NoticeResponse:
			w = m.Severity + "(" + m.Code + ")"
		case *pgproto3.NegotiateProtocolVersion:
			w = fmt.Sprintf("Negotiate(%d,%s)", m.NewestMinorProtocol&0xffff, strings.Join(m.UnrecognizedOptions, ","))
		default:
			w = strings.TrimPrefix(fmt.Sprintf("%T", msg), "*pgproto3.")
		}
		got = append(got, w)
	}
	return got
}

func (f *frames) expect(want string) {
	f.t.Helper()
	words := strings.Fields(want)
	if got := f.answers(len(words)); !slices.Equal(got, words) {
		f.t.Fatalf("got %s\nexpected %s (last error: %v)", strings.Join(got, " "), want, f.last)
	}
}

func (f *frames) query(sql, want string) {
	f.t.Helper()
	f.fe.Send(&pgproto3.Query{String: sql})
	f.expect(want)
}

func (f *frames) send(msgs ...pgproto3.FrontendMessage) *frames {
	for _, m := range msgs {
		f.fe.Send(m)
	}
	return f
}

func parse(name, sql string) *pgproto3.Parse { return &pgproto3.Parse{Name: name, Query: sql} }
func bind(portal, stmt string, args ...string) *pgproto3.Bind {
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: stmt}
	for _, a := range args {
		b.Parameters = append(b.Parameters, []byte(a))
	}
	return b
}
func execute(portal string, max uint32) *pgproto3.Execute {
	return &pgproto3.Execute{Portal: portal, MaxRows: max}
}

var syncMsg = &pgproto3.Sync{}

func testDescribe(t *testing.T, ctx context.Context, addr string) {
	f := openFrames(t, addr)
	f.send(parse("s", "SELECT user_id, n, total AS t, biggest FROM per_user WHERE user_id = $1 AND n > $2"), &pgproto3.Describe{ObjectType: 'S', Name: "s"}, syncMsg).
		expect("ParseComplete Params[25,20] Columns(user_id:25:0,n:20:0,t:701:0,biggest:1700:0) Ready(I)")
	b := bind("p", "s", "a", "1")
	b.ResultFormatCodes = []int16{0, 1, 0, 1}
	f.send(b, &pgproto3.Describe{ObjectType: 'P', Name: "p"}, execute("p", 0), syncMsg).
		expect("BindComplete Columns(user_id:25:0,n:20:1,t:701:0,biggest:1700:1) " +
			"Row(a|0000000000000002|3.5|0002000000000002000a09c4) Complete(SELECT_1) Ready(I)")
	f.send(parse("u", "SELECT k.id, f.n FROM unnest($1::text[]) WITH ORDINALITY AS k(id, o) LEFT JOIN per_user AS f ON f.user_id = k.id"), &pgproto3.Describe{ObjectType: 'S', Name: "u"},
		parse("any", "SELECT n FROM per_id WHERE id = ANY($1)"), &pgproto3.Describe{ObjectType: 'S', Name: "any"},
		parse("set", "SET TimeZone = 'UTC'"), &pgproto3.Describe{ObjectType: 'S', Name: "set"}, syncMsg).
		expect("ParseComplete Params[1009] Columns(id:25:0,n:20:0) ParseComplete Params[1016] Columns(n:20:0) ParseComplete Params[] NoData Ready(I)")
	f.send(bind("", "set"), &pgproto3.Describe{ObjectType: 'P'}, execute("", 0), syncMsg).expect("BindComplete NoData Complete(SET) Ready(I)")
	f.send(&pgproto3.Parse{Query: "SELECT $1", ParameterOIDs: []uint32{20}}, &pgproto3.Describe{ObjectType: 'S'}, syncMsg).
		expect("ParseComplete Params[20] Columns(?column?:20:0) Ready(I)")
	f.send(&pgproto3.Describe{ObjectType: 'P', Name: "p"}, syncMsg).expect("Error(34000) Ready(I)") // Sync ended the transaction, and with it the portal
}

func testSuspension(t *testing.T, ctx context.Context, addr string) {
	f := openFrames(t, addr)
	const series = "SELECT * FROM generate_series(1, 5)"
	f.query("BEGIN", "Complete(BEGIN) Ready(T)")
	f.send(parse("", series), bind("p", ""), execute("p", 2), syncMsg).
		expect("ParseComplete BindComplete Row(1) Row(2) PortalSuspended Ready(T)")
	f.query("SELECT 7", "Columns(?column?:23:0) Row(7) Complete(SELECT_1) Ready(T)") // the portal outlives other statements
	f.send(execute("p", 2), syncMsg).expect("Row(3) Row(4) PortalSuspended Ready(T)")
	f.send(execute("p", 2), syncMsg).expect("Row(5) Complete(SELECT_1) Ready(T)")
	f.send(execute("p", 2), syncMsg).expect("Complete(SELECT_0) Ready(T)")
	f.send(parse("", series), bind("q", ""), execute("q", 1), &pgproto3.Close{ObjectType: 'P', Name: "q"}, execute("q", 1), syncMsg).
		expect("ParseComplete BindComplete Row(1) PortalSuspended CloseComplete Error(34000) Ready(E)")
	f.send(execute("p", 1), syncMsg).expect("Error(25P02) Ready(E)")
	f.query("ROLLBACK", "Complete(ROLLBACK) Ready(I)")
	f.send(execute("p", 0), syncMsg).expect("Error(34000) Ready(I)") // the block's portals ended with it
	// Without a block the portal lives to Sync; Flush shows what came so far.
	f.send(parse("", series), bind("", ""), execute("", 4), &pgproto3.Flush{}).expect("ParseComplete BindComplete Row(1) Row(2) Row(3) Row(4) PortalSuspended")
	f.send(execute("", 0), syncMsg).expect("Row(5) Complete(SELECT_1) Ready(I)")
	f.send(execute("", 0), syncMsg).expect("Error(34000) Ready(I)")
	// An abandoned portal of a large answer holds nothing up.
	f.query("BEGIN", "Complete(BEGIN) Ready(T)")
	f.send(parse("", "SELECT * FROM generate_series(1, 100000000)"), bind("big", ""), execute("big", 1), syncMsg).
		expect("ParseComplete BindComplete Row(1) PortalSuspended Ready(T)")
	f.query("COMMIT", "Complete(COMMIT) Ready(I)")
}

func testErrorThenSync(t *testing.T, ctx context.Context, addr string) {
	f := openFrames(t, addr)
	f.send(parse("", "SELECT nix"), bind("", ""), execute("", 0), parse("later", "SELECT 1"), syncMsg).expect("Error(42703) Ready(I)")
	f.send(bind("", "later"), syncMsg).expect("Error(26000) Ready(I)") // what followed the error was skipped
	f.send(parse("", "SELECT 10 / $1::int"), bind("", "", "0"), execute("", 0), execute("", 0), syncMsg).expect("ParseComplete BindComplete Error(22012) Ready(I)")
	f.send(parse("", "SELECT 1"), bind("", ""), execute("", 0), syncMsg).expect("ParseComplete BindComplete Row(1) Complete(SELECT_1) Ready(I)")
	f.send(parse("", "SELECT 1; SELECT 2"), syncMsg).expect("Error(42601) Ready(I)")
	f.send(parse("", "SELECT $1::int"), bind("", ""), syncMsg).expect("ParseComplete Error(08P01) Ready(I)")
	f.send(parse("", "  -- nothing"), &pgproto3.Describe{ObjectType: 'S'}, bind("", ""), execute("", 0), syncMsg).
		expect("ParseComplete Params[] NoData BindComplete EmptyQueryResponse Ready(I)")
	// Rows sent before the error stay sent; up to Sync a simple query is skipped, too.
	f.query("SELECT 1 / (3 - x) FROM generate_series(1, 3) AS x", "Columns(?column?:23:0) Row(0) Row(1) Error(22012) Ready(I)")
	f.send(parse("", "SELECT nix"), &pgproto3.Query{String: "SELECT 1"}, syncMsg).expect("Error(42703) Ready(I)")
	// Many batches in one write are answered in order.
	for i := range 3 {
		f.send(parse("", "SELECT $1::int"), bind("", "", fmt.Sprint(i)), execute("", 0), syncMsg)
	}
	for i := range 3 {
		f.expect(fmt.Sprintf("ParseComplete BindComplete Row(%d) Complete(SELECT_1) Ready(I)", i))
	}
	f.send(&pgproto3.FunctionCall{Function: 1}).expect("Error(0A000) Ready(I)")
}

func testImplicit(t *testing.T, ctx context.Context, addr string) {
	f := openFrames(t, addr)
	f.query("", "EmptyQueryResponse Ready(I)")
	f.query(" ;; -- nothing\n", "EmptyQueryResponse Ready(I)")
	f.query("SELECT 1; SELECT 2;", "Columns(?column?:23:0) Row(1) Complete(SELECT_1) Columns(?column?:23:0) Row(2) Complete(SELECT_1) Ready(I)")
	f.query("SELECT 1; SELECT nix; SELECT 2", "Columns(?column?:23:0) Row(1) Complete(SELECT_1) Error(42703) Ready(I)")
	f.query("SELECT 1; SELECT", "Columns(?column?:23:0) Row(1) Complete(SELECT_1) Columns() Row() Complete(SELECT_1) Ready(I)")
	f.query("SELECT 1; SELEC", "Error(42601) Ready(I)")
	const users = "(user_id text, ts timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'half_made', format = 'json', event_time = 'ts')"
	f.query("CREATE SOURCE half_made "+users+"; SELECT 1/0", "Complete(CREATE_SOURCE) Columns(?column?:23:0) Error(22012) Ready(I)") // all or nothing
	f.query("SELECT * FROM half_made", "Error(42P01) Ready(I)")
	f.query("INSERT INTO clicks VALUES ('implicit', 1, 1, 1, fqgw.now()); SELECT 1/0", "Complete(INSERT_0_1) Columns(?column?:23:0) Error(22012) Ready(I)")
	f.query("SELECT fqgw.sync()", "Columns(sync:2278:0) Row() Complete(SELECT_1) Ready(I)")
	f.query("SELECT n FROM per_user WHERE user_id = 'implicit'", "Columns(n:20:0) Complete(SELECT_0) Ready(I)")
	f.query("BEGIN; SELECT 1/0; SELECT 2", "Complete(BEGIN) Columns(?column?:23:0) Error(22012) Ready(E)") // BEGIN in the string makes a block that stays
	f.query("ROLLBACK; SELECT 3", "Complete(ROLLBACK) Columns(?column?:23:0) Row(3) Complete(SELECT_1) Ready(I)")
}

func testBlocks(t *testing.T, ctx context.Context, addr string) {
	f := openFrames(t, addr)
	f.query("BEGIN", "Complete(BEGIN) Ready(T)")
	f.query("BEGIN", "WARNING(25001) Complete(BEGIN) Ready(T)")
	f.query("SELECT 1/0", "Columns(?column?:23:0) Error(22012) Ready(E)")
	f.query("SELECT 1", "Error(25P02) Ready(E)")
	f.send(parse("", "SELECT 1"), syncMsg).expect("Error(25P02) Ready(E)")
	f.send(parse("", "ROLLBACK"), bind("", ""), execute("", 0), syncMsg).expect("ParseComplete BindComplete Complete(ROLLBACK) Ready(I)")
	f.query("BEGIN", "Complete(BEGIN) Ready(T)")
	f.query("SELECT nix", "Error(42703) Ready(E)")
	f.query("COMMIT", "Complete(ROLLBACK) Ready(I)")
	f.query("ROLLBACK", "WARNING(25P01) Complete(ROLLBACK) Ready(I)")
}

func testNotices(t *testing.T, ctx context.Context, addr string) {
	config, err := pgx.ParseConfig("postgres://test@" + addr + "/fqgw?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	var notices []string
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		notices = append(notices, n.Severity+" "+n.Code+" "+n.Message)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range []string{"DROP SOURCE IF EXISTS nirgends", "SET client_min_messages = 'warning'", "DROP SOURCE IF EXISTS nirgends", "COMMIT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if len(notices) != 2 || !strings.HasPrefix(notices[0], "NOTICE 00000 ") || !strings.Contains(notices[0], "nirgends") || !strings.HasPrefix(notices[1], "WARNING 25P01") {
		t.Errorf("notices: %q", notices)
	}
}

func testNames(t *testing.T, ctx context.Context, addr string) {
	f := openFrames(t, addr)
	f.send(parse("s", "SELECT 1"), syncMsg).expect("ParseComplete Ready(I)")
	f.send(parse("s", "SELECT 2"), syncMsg).expect("Error(42P05) Ready(I)")
	f.send(bind("", "nix"), syncMsg).expect("Error(26000) Ready(I)")
	f.send(&pgproto3.Describe{ObjectType: 'S', Name: "nix"}, syncMsg).expect("Error(26000) Ready(I)")
	f.query("EXECUTE s", "Columns(?column?:23:0) Row(1) Complete(SELECT_1) Ready(I)") // one name space with SQL's PREPARE
	f.query("PREPARE s AS SELECT 3", "Error(42P05) Ready(I)")
	f.send(&pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Close{ObjectType: 'S', Name: "nix"}, bind("", "s"), syncMsg).expect("CloseComplete CloseComplete Error(26000) Ready(I)")
	f.send(parse("", "SELECT 1"), parse("", "SELECT 2"), bind("", ""), bind("", ""), execute("", 0), syncMsg).
		expect("ParseComplete ParseComplete BindComplete BindComplete Row(2) Complete(SELECT_1) Ready(I)") // the nameless ones are replaced
	f.send(bind("p", ""), bind("p", ""), syncMsg).expect("BindComplete Error(42P03) Ready(I)")
	f.query("SELECT 1", "Columns(?column?:23:0) Row(1) Complete(SELECT_1) Ready(I)")
	f.send(bind("", ""), syncMsg).expect("Error(26000) Ready(I)") // a simple query drops the nameless statement
}

// testVanish closes sockets while answers stream, and in the middle of a COPY.
func testVanish(t *testing.T, ctx context.Context, addr string) {
	var pids []uint32
	for i := range 6 {
		f := openFrames(t, addr)
		switch i % 3 {
		case 0:
			f.send(&pgproto3.Query{String: "SELECT x, repeat('x', 1000) FROM generate_series(1, 100000000) AS x"}).answers(3)
		case 1:
			f.query("CREATE TEMP TABLE spine (id int)", "Complete(CREATE_TABLE) Ready(I)")
			f.query("COPY spine FROM STDIN", "CopyInResponse")
			f.send(&pgproto3.CopyData{Data: []byte("1\n2")}).answers(0)
		case 2:
			f.send(&pgproto3.Query{String: "SELECT count(*) FROM generate_series(1, 100000000)"}).answers(0)
		}
		pids = append(pids, f.pid)
		if i >= 3 { // a reset in place of an orderly end
			_ = f.net.(*net.TCPConn).SetLinger(0)
		}
		f.net.Close()
	}
	time.Sleep(2 * time.Second) // a running statement looks for its client after 0.2 s
	conn := dial(t, ctx, addr, "")
	for i, pid := range pids {
		var there bool
		if err := conn.QueryRow(ctx, "SELECT pg_cancel_backend($1)", int32(pid)).Scan(&there); err != nil || there {
			t.Errorf("the session of client %d is still there: %v, %v", i, there, err)
		}
	}
	var self bool // the measure itself
	if err := conn.QueryRow(ctx, "SELECT pg_cancel_backend($1)", int32(openFrames(t, addr).pid)).Scan(&self); err != nil || !self {
		t.Errorf("pg_cancel_backend of a session that lives: %v, %v", self, err)
	}
}

func testHugeFrame(t *testing.T, ctx context.Context, addr string) {
	for _, size := range []uint32{0x7fffffff, 0xffffffff, 3, 0} {
		f := openFrames(t, addr)
		if _, err := f.net.Write(binary.BigEndian.AppendUint32([]byte{'Q'}, size)); err != nil {
			t.Fatal(err)
		}
		if got := f.answers(2); len(got) != 2 || got[0] != "Fatal(54000)" && got[0] != "Fatal(08P01)" || got[1] != "closed" {
			t.Errorf("a frame of %d bytes: %v", size, got)
		}
	}
}

// testBadFrames sends messages whose insides are wrong.
func testBadFrames(t *testing.T, ctx context.Context, addr string) {
	for _, frame := range []string{"?\x00\x00\x00\x04", "Q\x00\x00\x00\x05x", "P\x00\x00\x00\x06ab", "B\x00\x00\x00\x08\x00\x00\xff\xff",
		"B\x00\x00\x00\x0e\x00\x00\x00\x00\x7f\xff\x00\x00\x00\x00", "E\x00\x00\x00\x04", "D\x00\x00\x00\x04"} {
		f := openFrames(t, addr)
		if _, err := io.WriteString(f.net, frame+"S\x00\x00\x00\x04"); err != nil {
			t.Fatal(err)
		}
		if got := f.answers(1); !strings.HasSuffix(got[0], "(08P01)") {
			t.Errorf("frame %q: %v", frame, got)
		}
	}
}

func testStartup(t *testing.T, ctx context.Context, addr string) {
	packet := func(version uint32, params ...string) []byte {
		body := binary.BigEndian.AppendUint32(nil, version)
		if len(params) > 0 {
			body = append(append(body, strings.Join(params, "\x00")...), 0, 0)
		}
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
	}
	for _, c := range []struct {
		packet []byte
		want   string
	}{
		{packet(3<<16, "user", "u"), "AuthenticationOk BackendKeyData Ready(I)"},
		{packet(3<<16|2, "user", "u"), "Negotiate(0,) AuthenticationOk BackendKeyData Ready(I)"},
		{packet(3<<16|9999, "user", "u", "_pq_.test_protocol_negotiation", "", "_pq_.b", "1"), "Negotiate(0,_pq_.test_protocol_negotiation,_pq_.b) AuthenticationOk BackendKeyData Ready(I)"},
		{packet(3<<16, "user", "u", "nix_da", "1"), "Fatal(42704) closed"},
		{packet(3<<16, "user", "u", "TimeZone", "Mars/Olympus"), "Fatal(22023) closed"},
		{packet(3<<16, "user", "u", "options", "-c statement_timeout=5s --TimeZone=Europe/Berlin"), "AuthenticationOk BackendKeyData Ready(I)"},
		{packet(3<<16, "database", "d"), "Fatal(28000) closed"},
		{packet(3<<16, "user", "u", "replication", "true"), "Fatal(0A000) closed"},
		{packet(2<<16, "user", "u"), "Fatal(0A000) closed"},
		{[]byte("\x00\x00\x00\x0e\x00\x03\x00\x00user\x00u"), "Fatal(08P01) closed"}, // no terminator
		{[]byte("GET / HTTP/1.1\r\n\r\n"), "Fatal(08P01) closed"},
		{packet(80877102, "\x00\x00\x00\x01wrongkey"), "closed"},
	} {
		f := rawFrames(t, addr)
		if _, err := f.net.Write(c.packet); err != nil {
			t.Fatal(err)
		}
		f.expect(c.want)
		if strings.HasSuffix(c.want, "Ready(I)") {
			f.query("SELECT 1", "Columns(?column?:23:0) Row(1) Complete(SELECT_1) Ready(I)")
		}
	}
	f := rawFrames(t, addr)
	for _, code := range []uint32{80877103, 80877104} { // SSLRequest, GSSENCRequest
		if _, err := f.net.Write(packet(code)); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 1)
		if _, err := io.ReadFull(f.net, answer); err != nil || answer[0] != 'N' {
			t.Fatalf("%d was answered with %q, %v", code, answer, err)
		}
	}
	f.send(&pgproto3.StartupMessage{ProtocolVersion: 3 << 16, Parameters: map[string]string{"user": "test"}}).expect("AuthenticationOk BackendKeyData Ready(I)")
}
