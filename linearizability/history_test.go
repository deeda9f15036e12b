package linearizability

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A full line uses every field once.
func fullLine() Line {
	acl := []ACL{{Perms: 31, ID: ID{"world", "anyone"}}, {Perms: 1, ID: ID{"ip", "10.0.0.1"}}}
	return Line{
		No: 2, At: 17, Kind: KindCommit, Server: 1, Client: 2, Conn: 3, Session: 4, Xid: -8,
		Zxid:  5,
		Event: EventNodeCreated, Path: "/a\n\"\\é", Index: 6, Digest: "00ff", Text: "t",
		Connect: &Connect{TimeoutMs: 1, LastZxidSeen: 2, Resumed: true, WrongPassword: true,
			ReadOnly: true, Generation: 3},
		Commit: &Commit{Kind: CommitRequest, Index: 1, Pos: 2, Term: 3, StampMs: 4, Stream: 5,
			Seq: 6, Turn: TurnTaken, DecidedAt: 11, Origin: 7, Generation: 8, SkipACL: true,
			EnforceQuota: true, ExtendedTypes: true, Skipped: true, Bare: true, Pending: true,
			TimeoutMs: 9, LastZxidSeen: 10, Secret: "s",
			Identities: []ID{{"ip", "::1"}}},
		Request: &Request{Op: OpMulti, Path: "/", Data: []byte{}, Version: -1, Flags: 3, TTL: 5,
			ACL: acl, Watch: true, Mode: 1, Scheme: "digest", Auth: []byte("u:p"),
			Watches: &Watches{RelativeZxid: 1, Data: []string{"/a"}, Exist: []string{},
				Child: []string{"/b", "/c"}, Persistent: []string{"/d"}, Recursive: []string{"/e"}},
			Reconfig: &Reconfig{Joining: "server.4=d:2:3", Leaving: "1", Members: "m", Version: -1},
			Ops:      []Request{{Op: OpCheck}, {Op: Op(77), Data: []byte("x")}}, Malformed: true},
		Result: &Result{Op: OpError, Err: CodeNoNode, Path: "/p", Data: []byte("data"),
			Stat: &Stat{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, ACL: acl, Children: []string{"x", "y"},
			Count: 4, Clients: []ID{{"digest", "u"}}, Parts: []Result{{}, {Op: OpCreate}}},
	}
}

func roundTrip(t require, h *History) *History {
	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		t.Fatalf("Write: %v", err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatalf("Read: %v\n%s", err, b.String())
	}
	return got
}

// require is what testing.T and rapid.T have in common.
type require interface {
	Helper()
	Fatalf(format string, args ...any)
}

func TestRoundTrip(t *testing.T) {
	h := &History{Header: Header{Version: Version, Name: "n", Seed: 1 << 63, Super: "s:x",
		Config: []byte("c"), DriftPerMille: 3, AnswerWithin: 4}}
	h.Add(fullLine())
	for k := KindConnect; k <= KindNote; k++ {
		l := fullLine()
		l.Kind = k
		h.Add(l)
	}
	for k := CommitRequest; k <= CommitOther; k++ {
		l := fullLine()
		l.Commit.Kind = k
		h.Add(l)
	}
	h.Add(Line{Kind: KindQuiesce})
	if d := cmp.Diff(h, roundTrip(t, h)); d != "" {
		t.Errorf("a history is not what was written (-want +got):\n%s", d)
	}
}

func TestRoundTripAny(t *testing.T) {
	str := rapid.String()
	rapid.Check(t, func(t *rapid.T) {
		l := fullLine()
		l.At = rapid.Int64().Draw(t, "at")
		l.Path = str.Draw(t, "path")
		l.Text = str.Draw(t, "text")
		l.Zxid = rapid.Int64().Draw(t, "zxid")
		l.Request.Data = rapid.SliceOf(rapid.Byte()).Draw(t, "data")
		l.Request.Version = rapid.Int32().Draw(t, "version")
		l.Result.Children = rapid.SliceOf(str).Draw(t, "children")
		h := &History{Header: Header{Version: Version}}
		h.Add(l)
		if d := cmp.Diff(h, roundTrip(t, h)); d != "" {
			t.Fatalf("a history is not what was written (-want +got):\n%s", d)
		}
	})
}

func TestLineIsJSON(t *testing.T) {
	l := fullLine()
	b := l.AppendTo(nil)
	if !json.Valid(b) {
		t.Errorf("AppendTo = %s, not JSON", b)
	}
	for _, s := range []string{"/\xff", "\x00\x1f\x7f", "\u2028"} {
		l.Path = s
		if b := l.AppendTo(nil); !json.Valid(b) {
			t.Errorf("AppendTo with path %q = %s, not JSON", s, b)
		}
	}
}

func TestReadErrors(t *testing.T) {
	const head = `{"history":1}` + "\n"
	for _, c := range []struct{ in, want string }{
		{"", "line 1: no header"},
		{`{"at":1}`, "line 1: not a header"},
		{`{"history":2,"new":1}`, "line 1: format version 2"},
		{`{"history":1,"new":1}`, `line 1: json: unknown field "new"`},
		{head + "\n", "line 2: empty line"},
		{head + `{"at":1}`, `line 2: a line without "kind"`},
		{head + `{"at":1,"kind":"quiesce"}` + "\n" + `{"at":1,"kind":"cal"}`,
			`line 3: unknown kind of line "cal"`},
		{head + `{"at":1,"kind":"quiesce"} {}`, "line 2: more than one JSON value"},
		{head + `{"at":1,"kind":"quiesce","x":0}`, `line 2: json: unknown field "x"`},
		{head + `{"at":1,"kind":"call","conn":1}`, `line 2: a call line without "request"`},
		{head + `{"at":1,"kind":"call","request":{"op":"get"}}`, `line 2: unknown op "get"`},
		{head + `{"at":1,"kind":"call","request":{"op":"exists"}}`,
			`line 2: a call line without "conn"`},
		{head + `{"at":1,"kind":"return","conn":1}`, `line 2: a return line without "result"`},
		{head + `{"at":1,"kind":"connect","conn":1}`, `line 2: a connect line without "connect"`},
		{head + `{"at":1,"kind":"commit"}`, `line 2: a commit line without "commit"`},
		{head + `{"at":1,"kind":"commit","commit":{}}`,
			`line 2: a commit line without "commit.kind"`},
		{head + `{"at":1,"kind":"commit","commit":{"kind":"request"}}`,
			`line 2: a commit line without "request"`},
		{head + `{"at":1,"kind":"commit","commit":{"kind":"attach"}}`,
			`line 2: a commit line without "result"`},
	} {
		_, err := Read(strings.NewReader(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Read(%q) = %v, want an error with %q", c.in, err, c.want)
		}
	}
}

func BenchmarkAppendLine(b *testing.B) {
	l := fullLine()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = l.AppendTo(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}
