package core

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/wire"
)

// nullPath is a body that begins with a null path.
type nullPath []byte

func (n nullPath) AppendTo(b []byte) []byte { return append(wire.AppendInt(b, -1), n...) }

// The answers to requests that hardly any client sends, as a ZooKeeper 3.9.4 gave them.
func TestOddReadsAnswerAsZooKeeperDoes(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.create(c, 1, "/e", 1)
	d.commit()
	c.Take(nil)
	for _, tt := range []struct {
		name string
		op   wire.OpCode
		q    body
		want string
	}{
		{"exists of a null path", wire.OpExists, nullPath{1}, "20 -5\n"},
		{"getData of a null path", wire.OpGetData, nullPath{1}, "20 -5\n"},
		{"getChildren of a null path", wire.OpGetChildren, nullPath{1}, "20 -5\n"},
		{"getChildren2 of a null path", wire.OpGetChildren2, nullPath{1}, "20 -5\n"},
		{"getACL of a null path", wire.OpGetACL, nullPath{}, "20 -5\n"},
		{"getAllChildrenNumber of a null path", wire.OpGetAllChildrenNumber, nullPath{}, "20 -5\n"},
		{"sync of a null path", wire.OpSync, nullPath{}, "20 0\n"},
		{"getData of an empty path", wire.OpGetData, &wire.PathWatchRequest{}, "20 0\n"},
		{"setWatches without a list", wire.OpSetWatches,
			records{long(0), null{}, null{}, null{}}, "20 -5\n"},
		{"setWatches2 without its last list", wire.OpSetWatches2,
			records{long(0), none{}, none{}, none{}, none{}, null{}}, "20 -5\n"},
		{"ephemerals below a control character", wire.OpGetEphemerals,
			&wire.PathRequest{Path: "\x01 "}, "20 0\n"},
	} {
		d.send(c, 20, tt.op, tt.q)
		d.commit()
		d.want(c, tt.name, tt.want)
	}
	if n := len(d.l.Watches.paths); n != 0 {
		t.Errorf("%d paths are watched", n)
	}
}

// TestCountOfTheRoot: by its other name, the root counts itself (tried on 3.9.4).
func TestCountOfTheRoot(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	for path, want := range map[string]int32{"/": 3, "": 4, "/zookeeper": 2} {
		c.Take(nil)
		d.send(c, 20, wire.OpGetAllChildrenNumber, &wire.PathRequest{Path: path})
		r := wire.NewReader(c.Take(nil)[20:])
		if got := r.Int(); got != want {
			t.Errorf("getAllChildrenNumber(%q) = %d, want %d", path, got, want)
		}
	}
}

// records are several records, one behind the other.
type records []body

func (r records) AppendTo(b []byte) []byte {
	for _, q := range r {
		b = q.AppendTo(b)
	}
	return b
}

type long int64

func (v long) AppendTo(b []byte) []byte { return wire.AppendLong(b, int64(v)) }

// null is a null list, string or buffer.
type null struct{}

func (null) AppendTo(b []byte) []byte { return wire.AppendInt(b, -1) }

// none is a list without an element.
type none struct{}

func (none) AppendTo(b []byte) []byte { return wire.AppendInt(b, 0) }

// ZooKeeper answers a ping with the xid of pings, whatever the client gave it.
func TestPingsAreAnsweredAsPings(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.send(c, 7, wire.OpPing, nil)
	d.create(c, 8, "/a", 0)
	d.send(c, 9, wire.OpPing, nil)
	d.commit()
	d.want(c, "pings", "-2 0\n8 0\n-2 0\n")
}

// A ZooKeeper without SASL gives no token and no error, and the client goes on.
func TestSASLWithoutSASL(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.create(c, 1, "/a", 0)
	d.send(c, 100, wire.OpSASL, &wire.SASLRequest{Token: []byte("token")})
	d.send(c, 101, wire.OpSASL, &wire.SASLRequest{Token: []byte{}})
	d.want(c, "before the create", "")
	d.commit()
	d.send(c, 102, wire.OpSASL, &wire.SASLRequest{Token: []byte{}})
	d.send(c, 2, wire.OpPing, nil)
	none := fmt.Sprintf("%q", []byte{255, 255, 255, 255})
	d.want(c, "replies", "1 0\n100 0 "+none+"\n101 0 "+none+"\n102 0 "+none+"\n-2 0\n")
	d.feed(c, frame(3, wire.OpSASL, null{}))
	if c.Cause() != CauseBadFrame {
		t.Errorf("a null token: %v", c.Cause())
	}
}

func TestDigestNeedsCredentials(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.send(c, wire.XidAuth, wire.OpAuth, &wire.AuthRequest{Scheme: "digest"})
	d.want(c, "null credentials", "-4 -115\n")
	if c.Cause() != CauseAuthFailed {
		t.Errorf("connection: %v", c.Cause())
	}
}

// A write behind a sync is in the log behind all that was committed when the sync was asked.
// If it is applied first, the sync is answered with it, and its own confirmation comes too late.
func TestWriteOvertakesTheConfirmationOfASync(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.send(c, 1, wire.OpSync, &wire.PathRequest{Path: "/"})
	d.create(c, 2, "/a", 0)
	d.read(c, 3, wire.OpExists, "/a", false)
	d.send(c, 4, wire.OpSync, &wire.PathRequest{Path: "/"})
	d.read(c, 5, wire.OpExists, "/b", false)
	d.create(c, 6, "/b", 0)
	var mail Mail
	d.l.Inbox.Take(&mail)
	entry := AppendEntryHeader(nil, d.now)
	entry = AppendBatchHeader(entry, d.l.Self(), mail.FirstSeq, uint64(len(mail.Ends)))
	d.apply(append(entry, mail.Commands...))
	d.want(c, "when the first write is applied", "1 0\n2 0\n3 0\n")
	d.l.SyncConfirmed(c, d.now)
	d.want(c, "when the first sync is confirmed", "")
	d.l.SyncConfirmed(c, d.now)
	d.l.Resume(c)
	d.commit()
	d.want(c, "when the second sync is confirmed", "4 0\n5 -101\n6 0\n")
}

// A write is held back for the reads before it alone. The first sync's read has been answered, and
// behind the second sync there is none.
func TestWriteBehindASyncWithoutReads(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.send(c, 1, wire.OpSync, &wire.PathRequest{Path: "/"})
	d.read(c, 2, wire.OpExists, "/a", false)
	d.send(c, 3, wire.OpSync, &wire.PathRequest{Path: "/"})
	d.l.SyncConfirmed(c, d.now)
	d.want(c, "when the first sync is confirmed", "1 0\n2 -101\n")
	d.create(c, 4, "/a", 0)
	var mail Mail
	if d.l.Inbox.Take(&mail); len(mail.Ends) != 1 {
		t.Errorf("%d commands are in the stream, want the create", len(mail.Ends))
	}
}

// Auth packets are commands as writes are: who sends them faster than they are applied waits.
func TestAuthPacketsAreBounded(t *testing.T) {
	d := newDesk(t, Settings{MaxOutstandingBytes: 10 << 10})
	c := d.client()
	long := bytes.Repeat([]byte("u"), 1000)
	sent := 0
	for range 50 {
		q := wire.AuthRequest{Scheme: "digest", Auth: append(long, fmt.Sprint(sent)...)}
		if left := d.feed(c, frame(wire.XidAuth, wire.OpAuth, &q)); len(left) > 0 {
			break
		}
		sent++
	}
	if sent == 0 || sent > 10 {
		t.Errorf("%d auth packets of 1 kB were taken, want at most 10 kB of them", sent)
	}
}

// A session's identities are hashed, copied and kept whole at each change.
func TestIdentitiesAreBounded(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	for i := range 3 {
		user := append(bytes.Repeat([]byte("u"), 30<<10), fmt.Sprint(i)...)
		d.send(c, wire.XidAuth, wire.OpAuth, &wire.AuthRequest{Scheme: "digest", Auth: user})
	}
	d.commit()
	d.want(c, "three auth packets of 30 kB", "-4 0\n-4 0\n-4 -115\n")
}

// "auth" in an ACL stands for each identity of the session. Together they must not make an
// entry of the log that no server can apply.
func TestExpandedACLsAreBounded(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	user := bytes.Repeat([]byte("u"), 60<<10)
	d.send(c, wire.XidAuth, wire.OpAuth, &wire.AuthRequest{Scheme: "digest", Auth: user})
	acl := func(n int) []wire.ACL {
		var list []wire.ACL
		for i := range n {
			list = append(list, wire.ACL{Perms: wire.Perm(i), ID: wire.ID{Scheme: "auth"}})
		}
		return list
	}
	d.send(c, 1, wire.OpCreate, &wire.CreateRequest{Path: "/many", ACL: acl(50000)})
	d.send(c, 2, wire.OpCreate, &wire.CreateRequest{Path: "/some", ACL: acl(10)})
	d.commit()
	d.want(c, "creates", "-4 0\n1 -114\n2 0\n")
	if n := cap(d.l.State.work.acl); n > 5000 {
		t.Errorf("room for %d entries of ACLs is kept", n)
	}
}

// TestExpandedACLsOfAMultiAreBounded: a multi of 1 MB could make 4 GB of lists, each of them short
// enough.
func TestExpandedACLsOfAMultiAreBounded(t *testing.T) {
	m := newMachine(t)
	c := m.connect(wire.ID{Scheme: "digest", ID: strings.Repeat("u", 60<<10) + ":x"})
	many := func(n int) []wire.MultiOp {
		ops := make([]wire.MultiOp, n)
		for i := range ops {
			var list []wire.ACL
			for k := range 10 {
				list = append(list, wire.ACL{Perms: wire.Perm(10*i + k),
					ID: wire.ID{Scheme: "auth"}})
			}
			ops[i] = wire.MultiOp{Op: wire.OpCreate, Create: wire.CreateTTLRequest{
				Path: fmt.Sprintf("/%d-%d", n, i), ACL: list}}
		}
		return ops
	}
	before := m.s.ACLCount()
	for _, test := range []struct {
		ops  int
		want wire.ErrorCode
	}{{20, wire.CodeOk}, {40, wire.CodeInvalidACL}, {20, wire.CodeOk}} {
		out := c.multi(many(test.ops)...)
		if out.Failed != test.want || out.Err != wire.CodeOk {
			t.Errorf("a multi of %d lists of 600 kB: %v, %v, want %v", test.ops, out.Err,
				out.Failed, test.want)
		}
		for i := range test.ops {
			c.delete(fmt.Sprintf("/%d-%d", test.ops, i), -1)
		}
	}
	if n := m.s.ACLCount(); n != before {
		t.Errorf("%d lists are left, want %d", n, before)
	}
	m.checkDigest()
}

// ZooKeeper reads what is no UTF-8 as U+FFFD, and so do those who read it back: a client that
// decodes strictly must not fail on another one's identity.
func TestIdentitiesAreUTF8(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.send(c, wire.XidAuth, wire.OpAuth,
		&wire.AuthRequest{Scheme: "digest", Auth: []byte("\xff\xfe:p")})
	d.send(c, 1, wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: []wire.ACL{
		{Perms: wire.PermAll, ID: wire.ID{Scheme: "digest", ID: "\xe9:\xfc"}},
		{Perms: wire.PermAll, ID: wire.ID{Scheme: "auth"}}}})
	d.commit()
	want := []wire.ACL{
		{Perms: wire.PermAll, ID: wire.ID{Scheme: "digest", ID: "\ufffd:\ufffd"}},
		{Perms: wire.PermAll, ID: wire.ID{Scheme: "digest",
			ID: "\ufffd\ufffd:CHAajMjCV+FUX0fRvRN/qglqzJ0="}}}
	if diff := cmp.Diff(want, d.l.State.lookup("/a").acl.acls); diff != "" {
		t.Errorf("ACL (-want +got):\n%s", diff)
	}
}

// TestJavaText: what Java 17 makes of bytes that are no UTF-8. The digest of a password is the
// hash of what it makes of it, and znodes that come from a ZooKeeper have such digests.
func TestJavaText(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"a\xe9b", "a?b"}, {"\xe9\xe9", "??"}, {"\x80", "?"}, {"\xc3", "?"}, {"\xc3A", "?A"},
		{"\xc0\xaf", "??"}, {"\xe2\x82", "?"}, {"\xe2\x82A", "?A"}, {"\xe2\x82\xe2", "??"},
		{"\xe0\x80A", "??A"}, {"\xe0\xa0A", "?A"}, {"\xe0\x80\x80", "???"},
		{"\xed\xa0\x80A", "?A"}, {"\xed\xa0", "?"}, {"\xed\xa0\xbd\xed\xb8\x80", "??"},
		{"\xedA", "?A"}, {"\xf0\x9f\x98", "?"}, {"\xf0\x9f\x98A", "?A"}, {"\xf0\x9fA", "?A"},
		{"\xf0\x80A", "??A"}, {"\xf0\x8f\xbf\xbf", "????"}, {"\xf3\xbf\xbfA", "?A"},
		{"\xf4\x90\x80\x80A", "????A"}, {"\xf5\x90", "??"}, {"\xf7\x80\x80\x80", "????"},
		{"\xf8\x80\x80\x80A", "????A"}, {"\xff", "?"}, {"\u00e9\xe2\x82", "\u00e9?"},
		{"\U0001f600\xff", "\U0001f600?"}, {"\ufffd\xff", "??"},
	} {
		if got := asUTF8(test.in); got != strings.ReplaceAll(test.want, "?", "\ufffd") {
			t.Errorf("asUTF8(%q) = %q, want %q with U+FFFD for ?", test.in, got, test.want)
		}
	}
}

// The text of a quota may have any keys, of any length. They cost time at every write below, and
// a multi keeps all texts of the statistics until its end.
func TestQuotaTextsAreBounded(t *testing.T) {
	text := []byte("bytes=7,count=8,")
	for i := range 100000 {
		text = append(text, fmt.Sprintf("k%d=1,", i)...)
	}
	q := parseQuota(nil, text)
	if len(q) > maxQuotaKeys+4 || quotaNumber(q, "bytes") != 7 || quotaNumber(q, "count") != 8 {
		t.Errorf("%d keys are kept, bytes=%d count=%d", len(q), quotaNumber(q, "bytes"),
			quotaNumber(q, "count"))
	}
	long := strings.Repeat("k", maxQuotaText)
	for _, test := range []struct{ in, want string }{
		{long + "=1", "count=-1,bytes=-1"},
		{"count=1," + long + "=1,bytes=2", "count=1,bytes=-1"},
		{"count=1;x" + long[:maxQuotaText-29] + "=1,bytes=123456789012345", // not half of a number
			"count=1,bytes=-1=;x" + long[:maxQuotaText-29] + "=1"},
	} {
		if got := string(formatQuota(parseQuota(nil, []byte(test.in)))); got != test.want {
			t.Errorf("%q is written as %q, want %q", test.in, got, test.want)
		}
	}
}

// What is written is read as the same, at the bounds too: a key without a number is written with
// one, and who names no count gets one.
func TestQuotaTextsAreReadBack(t *testing.T) {
	for name, pair := range map[string]string{
		"keys without numbers": "%c;", "many keys": "%c=1;", "long keys": "kkkkkkkkkkkkkkk%c,"} {
		var text []byte
		for i := range 2 * maxQuotaKeys {
			text = append(text, fmt.Sprintf(pair, 'A'+i)...)
		}
		text = append(text, "byteHardLimit=7"...)
		for cut := range maxQuotaText {
			once := formatQuota(parseQuota(nil, text[min(cut, len(text)):]))
			if len(once) > maxQuotaText {
				t.Fatalf("%s: %d bytes are written", name, len(once))
			}
			q := parseQuota(nil, once)
			if again := formatQuota(q); string(again) != string(once) {
				t.Fatalf("%s: %q is written as %q, and then as %q", name, text, once, again)
			}
			if cut < maxQuotaText/4 && len(text) <= maxQuotaText &&
				quotaNumber(q, "byteHardLimit") != 7 {
				t.Fatalf("%s: %q says no byteHardLimit", name, once)
			}
		}
	}
}

// A bound on the bytes that wait must not outlive them.
func TestSmallStashesEmpty(t *testing.T) {
	d := newDesk(t, Settings{MaxQueuedBytes: 100})
	c := d.client()
	d.create(c, 1, "/a", 0)
	for i := int32(2); len(d.feed(c, frame(i, wire.OpExists,
		&wire.PathWatchRequest{Path: "/a"}))) == 0; i++ {
		continue
	}
	d.commit()
	c.Take(nil)
	d.send(c, 100, wire.OpPing, nil)
	d.want(c, "when all is answered", "-2 0\n")
}
