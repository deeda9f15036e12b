package linearizability

import (
	"strings"
	"testing"
)

const (
	hostileSession = `{"at":1,"kind":"connect","client":1,"conn":1,"connect":{"timeoutMs":4000}}
{"at":2,"kind":"commit","session":7,"zxid":4294967297,"result":{},` +
		`"commit":{"kind":"createSession","index":1,"term":1,"stampMs":1,"timeoutMs":4000,` +
		`"generation":1}}
{"at":3,"kind":"connected","conn":1,"session":7,"connect":{"timeoutMs":4000}}
`
	hostileBlind = `{"at":1,"kind":"connect","client":1,"conn":1,"connect":{"timeoutMs":4000}}
{"at":2,"kind":"connected","conn":1,"session":7,"connect":{"timeoutMs":4000}}
`
)

var hostileHistories = []struct {
	name, header, text string
	want               string // in the report; "" is no violation
}{
	{"relative path beside an unanswered sequential create", `"fresh":true`, hostileBlind +
		`{"at":3,"kind":"call","conn":1,"session":7,"xid":1,` +
		`"request":{"op":"create","path":"/a-","flags":2}}
{"at":4,"kind":"call","conn":1,"session":7,"xid":2,"request":{"op":"exists","path":"a"}}
{"at":5,"kind":"disconnect","conn":1,"text":"client"}
{"at":6,"kind":"connect","client":1,"conn":2,"session":7,"connect":{"timeoutMs":4000}}
{"at":7,"kind":"connected","conn":2,"session":7,"connect":{"timeoutMs":4000}}
{"at":8,"kind":"call","conn":2,"session":7,"xid":3,"request":{"op":"exists","path":"a"}}
{"at":9,"kind":"return","conn":2,"session":7,"xid":3,"zxid":5,"result":{"err":-101}}
`, ""},
	{"a sequential znode without a path", `"fresh":true`, hostileBlind +
		`{"at":3,"kind":"call","conn":1,"session":7,"xid":1,` +
		`"request":{"op":"create","path":"/a-","flags":2}}
{"at":4,"kind":"return","conn":1,"session":7,"xid":1,"zxid":5,"result":{"path":"a"}}
`, "sequence"},
	{"a change of the service's own that failed as it began", "", `{"at":1,"kind":"commit",` +
		`"commit":{"kind":"config","index":1,"term":1,"stampMs":1,"pending":true},` +
		`"result":{"err":-14}}
`, "request"},
	{"a commit without the Stat that its client was told", "", hostileSession +
		`{"at":4,"kind":"call","conn":1,"session":7,"xid":1,` +
		`"request":{"op":"setData","path":"/","version":-1}}
{"at":5,"kind":"commit","session":7,"xid":1,"zxid":4294967298,` +
		`"request":{"op":"setData","path":"/","version":-1},"result":{},` +
		`"commit":{"kind":"request","index":2,"term":1,"stampMs":2,"generation":1}}
{"at":6,"kind":"return","conn":1,"session":7,"xid":1,"zxid":4294967298,` +
		`"result":{"stat":{"czxid":0,"mzxid":4294967298}}}
`, "no stat"},
	{"clocks that stand still", `"driftPerMille":-1000`, hostileSession +
		`{"at":4,"kind":"commit","session":7,"zxid":4294967298,"result":{},` +
		`"commit":{"kind":"expire","index":2,"term":1,"stampMs":2,"generation":1}}
`, "drift"},
}

// TestJudgeSurvives: whatever a history holds that can be read, the judges come to an end, and say
// of what is wrong in it that it is.
func TestJudgeSurvives(t *testing.T) {
	for _, test := range hostileHistories {
		text := `{"history":1}` + "\n" + test.text
		if test.header != "" {
			text = `{"history":1,` + test.header + "}\n" + test.text
		}
		h, err := Read(strings.NewReader(text))
		if err != nil {
			if test.want == "" || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("%s: %v", test.name, r)
				}
			}()
			r := Judge(h)
			if r.OK() != (test.want == "") || !strings.Contains(r.String(), test.want) {
				t.Errorf("%s: %v, want %q", test.name, r, test.want)
			}
		}()
	}
}

// TestSessionIDsAreAnyNumbers: ZooKeeper's ids begin with the server's, so they may be negative,
// and no bit of them means anything.
func TestSessionIDsAreAnyNumbers(t *testing.T) {
	for _, server := range []int64{1, 64, 127, 128, 192, 254} {
		h := &History{Header: Header{Version: Version, Fresh: true}}
		add := func(conn, session int64, l Line) {
			l.At, l.Conn, l.Client, l.Session = int64(len(h.Lines)), conn, conn, session
			h.Add(l)
		}
		zxid := int64(0)
		do := func(conn, session int64, r Request, res Result) {
			zxid++
			add(conn, session, Line{Kind: KindCall, Xid: int32(zxid), Request: &r})
			add(conn, session, Line{Kind: KindReturn, Xid: int32(zxid), Zxid: zxid, Result: &res})
		}
		first, second := server<<56|7, server<<56|8
		for conn, session := range []int64{first, second} {
			add(int64(conn)+1, 0, Line{Kind: KindConnect, Connect: &Connect{TimeoutMs: 4000}})
			add(int64(conn)+1, session, Line{Kind: KindConnected,
				Connect: &Connect{TimeoutMs: 4000}})
		}
		do(1, first, Request{Op: OpCreate, Path: "/e", Flags: 1}, Result{Path: "/e"})
		do(2, second, Request{Op: OpGetChildren, Path: "/e"}, Result{})
		do(1, first, Request{Op: OpCloseSession}, Result{})
		do(2, second, Request{Op: OpGetChildren, Path: "/e"}, Result{Err: CodeNoNode})
		r := Judge(h)
		if !r.OK() || r.Porcupine.Operations < 4 {
			t.Errorf("sessions of server %d: %d operations, %v", server, r.Porcupine.Operations, r)
		}
	}
}

// TestCallBehindTheMove: what is sent on a connection that its session has left, and never
// answered, is held against nobody.
func TestCallBehindTheMove(t *testing.T) {
	h := &History{Header: Header{Version: Version, Fresh: true}}
	add := func(conn, session int64, l Line) {
		l.At, l.Conn, l.Client, l.Session = int64(len(h.Lines)), conn, 1, session
		h.Add(l)
	}
	grant := &Connect{TimeoutMs: 4000}
	add(1, 0, Line{Kind: KindConnect, Connect: grant})
	add(1, 7, Line{Kind: KindConnected, Connect: grant})
	add(2, 7, Line{Kind: KindConnect, Connect: grant})
	add(2, 7, Line{Kind: KindConnected, Connect: grant})
	late := Request{Op: OpSetData, Path: "/", Version: -1}
	add(1, 7, Line{Kind: KindCall, Xid: 1, Request: &late})
	add(1, 7, Line{Kind: KindDisconnect, Text: CauseServer})
	add(2, 7, Line{Kind: KindCall, Xid: 2, Request: &Request{Op: OpExists, Path: "/"}})
	add(2, 7, Line{Kind: KindReturn, Xid: 2, Zxid: 2, Result: &Result{}})
	if r := Judge(h); !r.OK() || r.Porcupine.Operations == 0 {
		t.Errorf("%v", r)
	}
}
