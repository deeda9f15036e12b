package linearizability

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Writer writes a history as it happens. Errors stick; Flush returns the first one.
type Writer struct {
	w   *bufio.Writer
	buf []byte
	err error
}

// NewWriter begins a history on w with its header.
func NewWriter(w io.Writer, h Header) *Writer {
	x := &Writer{w: bufio.NewWriterSize(w, 1<<16)}
	h.Version = Version
	b, err := json.Marshal(h)
	if err != nil { // a Header holds nothing that cannot be marshalled
		panic(err)
	}
	x.put(append(b, '\n'))
	return x
}

// Add writes a line. It keeps nothing of it.
func (x *Writer) Add(l *Line) {
	x.buf = append(l.AppendTo(x.buf[:0]), '\n')
	x.put(x.buf)
}

func (x *Writer) put(b []byte) {
	if x.err != nil {
		return
	}
	if _, err := x.w.Write(b); err != nil {
		x.err = fmt.Errorf("write history: %w", err)
	}
}

// Flush gives all lines to the underlying writer.
func (x *Writer) Flush() error {
	if x.err == nil {
		if err := x.w.Flush(); err != nil {
			x.err = fmt.Errorf("write history: %w", err)
		}
	}
	return x.err
}

// Write writes a whole history.
func (h *History) Write(w io.Writer) error {
	x := NewWriter(w, h.Header)
	for i := range h.Lines {
		x.Add(&h.Lines[i])
	}
	return x.Flush()
}

// AppendTo appends the line as one JSON object without a line feed. It is written by hand since a
// simulator writes thousands of lines per world; the reader holds it against encoding/json. What
// is not valid UTF-8 in a string is replaced, as JSON has no words for it.
func (l *Line) AppendTo(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.b = append(o.b, `"at":`...)
	o.b = strconv.AppendInt(o.b, l.At, 10)
	o.b = append(o.b, ',')
	o.str("kind", l.Kind.String())
	o.num("server", l.Server)
	o.num("client", l.Client)
	o.num("conn", l.Conn)
	o.num("session", l.Session)
	o.num("xid", int64(l.Xid))
	o.num("zxid", l.Zxid)
	if l.Event != 0 {
		o.str("event", l.Event.String())
	}
	o.str("path", l.Path)
	o.unum("index", l.Index)
	o.str("digest", l.Digest)
	o.str("text", l.Text)
	if l.Connect != nil {
		o.key("connect")
		o.b = append(l.Connect.appendTo(o.b), ',')
	}
	if l.Commit != nil {
		o.key("commit")
		o.b = append(l.Commit.appendTo(o.b), ',')
	}
	if l.Request != nil {
		o.key("request")
		o.b = append(l.Request.appendTo(o.b), ',')
	}
	if l.Result != nil {
		o.key("result")
		o.b = append(l.Result.appendTo(o.b), ',')
	}
	return o.end()
}

func (c *Connect) appendTo(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.num("timeoutMs", int64(c.TimeoutMs))
	o.num("lastZxidSeen", c.LastZxidSeen)
	o.str("address", c.Address)
	o.flag("resumed", c.Resumed)
	o.flag("wrongPassword", c.WrongPassword)
	o.flag("readOnly", c.ReadOnly)
	o.unum("generation", c.Generation)
	return o.end()
}

func (c *Commit) appendTo(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.str("kind", c.Kind.String())
	o.unum("index", c.Index)
	o.num("pos", int64(c.Pos))
	o.unum("term", c.Term)
	o.num("stampMs", c.StampMs)
	o.unum("stream", c.Stream)
	o.unum("seq", c.Seq)
	o.str("turn", c.Turn)
	o.num("decidedAt", c.DecidedAt)
	o.unum("origin", c.Origin)
	o.unum("generation", c.Generation)
	o.flag("skipACL", c.SkipACL)
	o.flag("enforceQuota", c.EnforceQuota)
	o.flag("extendedTypes", c.ExtendedTypes)
	o.flag("noGrowth", c.NoGrowth)
	o.flag("skipped", c.Skipped)
	o.flag("bare", c.Bare)
	o.flag("pending", c.Pending)
	o.num("timeoutMs", int64(c.TimeoutMs))
	o.num("lastZxidSeen", c.LastZxidSeen)
	o.str("secret", c.Secret)
	o.ids("identities", c.Identities)
	return o.end()
}

func (r *Request) appendTo(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.str("op", r.Op.String())
	o.str("path", r.Path)
	o.data("data", r.Data)
	o.num("version", int64(r.Version))
	o.num("flags", int64(r.Flags))
	o.num("ttl", r.TTL)
	o.acl("acl", r.ACL)
	o.flag("watch", r.Watch)
	o.num("mode", int64(r.Mode))
	o.str("scheme", r.Scheme)
	o.data("auth", r.Auth)
	if r.Watches != nil {
		o.key("watches")
		o.b = append(r.Watches.appendTo(o.b), ',')
	}
	if r.Reconfig != nil {
		o.key("reconfig")
		o.b = append(r.Reconfig.appendTo(o.b), ',')
	}
	if r.Ops != nil {
		o.key("ops")
		o.b = append(o.b, '[')
		for i := range r.Ops {
			o.b = append(r.Ops[i].appendTo(o.b), ',')
		}
		o.close(']')
	}
	o.flag("malformed", r.Malformed)
	return o.end()
}

func (r *Reconfig) appendTo(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.str("joining", r.Joining)
	o.str("leaving", r.Leaving)
	o.str("members", r.Members)
	o.num("version", r.Version)
	return o.end()
}

func (w *Watches) appendTo(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.num("relativeZxid", w.RelativeZxid)
	o.strs("data", w.Data)
	o.strs("exist", w.Exist)
	o.strs("child", w.Child)
	o.strs("persistent", w.Persistent)
	o.strs("recursive", w.Recursive)
	return o.end()
}

func (r *Result) appendTo(b []byte) []byte {
	o := object{b: append(b, '{')}
	if r.Op != 0 {
		o.str("op", r.Op.String())
	}
	o.num("err", int64(r.Err))
	o.str("path", r.Path)
	o.data("data", r.Data)
	if r.Stat != nil {
		o.key("stat")
		o.b = append(r.Stat.appendTo(o.b), ',')
	}
	o.acl("acl", r.ACL)
	o.strs("children", r.Children)
	o.num("count", int64(r.Count))
	o.ids("clients", r.Clients)
	if r.Parts != nil {
		o.key("parts")
		o.b = append(o.b, '[')
		for i := range r.Parts {
			o.b = append(r.Parts[i].appendTo(o.b), ',')
		}
		o.close(']')
	}
	return o.end()
}

func (s *Stat) appendTo(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.num("czxid", s.Czxid)
	o.num("mzxid", s.Mzxid)
	o.num("ctime", s.Ctime)
	o.num("mtime", s.Mtime)
	o.num("version", int64(s.Version))
	o.num("cversion", int64(s.Cversion))
	o.num("aversion", int64(s.Aversion))
	o.num("ephemeralOwner", s.EphemeralOwner)
	o.num("dataLength", int64(s.DataLength))
	o.num("numChildren", int64(s.NumChildren))
	o.num("pzxid", s.Pzxid)
	return o.end()
}

// object appends the members of a JSON object. Each member ends in a comma, the last of which
// gives way to the closing bracket. Members that are zero are left out.
type object struct {
	b []byte
}

func (o *object) end() []byte {
	o.closeLast('}')
	return o.b
}

// close ends an array that is a member.
func (o *object) close(bracket byte) {
	o.closeLast(bracket)
	o.b = append(o.b, ',')
}

func (o *object) closeLast(bracket byte) {
	if n := len(o.b) - 1; o.b[n] == ',' {
		o.b[n] = bracket
	} else {
		o.b = append(o.b, bracket)
	}
}

func (o *object) key(name string) {
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

func (o *object) num(name string, v int64) {
	if v != 0 {
		o.key(name)
		o.b = append(strconv.AppendInt(o.b, v, 10), ',')
	}
}

func (o *object) unum(name string, v uint64) {
	if v != 0 {
		o.key(name)
		o.b = append(strconv.AppendUint(o.b, v, 10), ',')
	}
}

func (o *object) flag(name string, v bool) {
	if v {
		o.key(name)
		o.b = append(o.b, "true,"...)
	}
}

func (o *object) str(name, v string) {
	if v != "" {
		o.key(name)
		o.b = append(appendString(o.b, v), ',')
	}
}

func (o *object) data(name string, v []byte) {
	if v != nil {
		o.key(name)
		o.b = append(o.b, '"')
		o.b = base64.StdEncoding.AppendEncode(o.b, v)
		o.b = append(o.b, '"', ',')
	}
}

func (o *object) strs(name string, v []string) {
	if v == nil {
		return
	}
	o.key(name)
	o.b = append(o.b, '[')
	for _, s := range v {
		o.b = append(appendString(o.b, s), ',')
	}
	o.close(']')
}

func (o *object) ids(name string, v []ID) {
	if v == nil {
		return
	}
	o.key(name)
	o.b = append(o.b, '[')
	for _, id := range v {
		o.b = append(id.appendTo(o.b), ',')
	}
	o.close(']')
}

func (o *object) acl(name string, v []ACL) {
	if v == nil {
		return
	}
	o.key(name)
	o.b = append(o.b, '[')
	for _, a := range v {
		e := object{b: append(o.b, '{')}
		e.num("perms", int64(a.Perms))
		e.key("id")
		e.b = append(a.ID.appendTo(e.b), ',')
		o.b = append(e.end(), ',')
	}
	o.close(']')
}

func (id ID) appendTo(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.str("scheme", id.Scheme)
	o.str("id", id.ID)
	return o.end()
}

const hexDigits = "0123456789abcdef"

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			i++
		case c < utf8.RuneSelf:
			b = append(b, c)
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
		}
	}
	return append(b, '"')
}
