package core

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vivariumdb/vivarium/wire"
)

// machine drives a State as a leader and one member would.
type machine struct {
	t      testing.TB
	s      *State
	index  uint64
	term   uint64
	clock  int64
	origin Origin
	seq    uint64
	flags  Flags
}

// client is a session as its connection knows it.
type client struct {
	m          *machine
	id         SessionID
	generation Generation
	password   [32]byte
}

func newMachine(t testing.TB) *machine {
	m := &machine{t: t, s: NewState(), clock: 1000, flags: Flags{ExtendedTypes: true}}
	m.origin = m.register(1)
	return m
}

// register says hello for a member and returns its stream.
func (m *machine) register(id RaftID) Origin {
	m.t.Helper()
	out := m.hello(id, [16]byte{byte(id)}, m.s.Stream(id).Origin.Registration)
	if out.Skipped {
		m.t.Fatalf("hello of %v was skipped: %v", id, out.Reason)
	}
	return out.Origin
}

func (m *machine) hello(id RaftID, nonce [16]byte, replaces Registration) Outcome {
	m.t.Helper()
	e := AppendBatchHeader(m.header(), Origin{RaftID: id}, 0, 1)
	return m.entry(AppendHello(e, id, nonce, replaces))[0]
}

func (m *machine) header() []byte {
	m.clock++
	return AppendEntryHeader(nil, m.clock)
}

// entry applies one entry and returns copies of its outcomes.
func (m *machine) entry(data []byte) []Outcome {
	m.t.Helper()
	m.index++
	if err := m.s.Begin(m.index, m.term, data); err != nil {
		m.t.Fatalf("Begin(%x): %v", data, err)
	}
	var all []Outcome
	var out Outcome
	for m.s.Next(m.origin, &out) {
		all = append(all, cloneOutcome(out))
	}
	if m.s.Index() != m.index {
		m.t.Fatalf("Index() = %d after entry %d", m.s.Index(), m.index)
	}
	return all
}

func cloneOutcome(o Outcome) Outcome {
	o.Body = slices.Clone(o.Body)
	o.Changes = slices.Clone(o.Changes)
	for i := range o.Changes {
		o.Changes[i].Path = strings.Clone(o.Changes[i].Path)
	}
	o.Facts = slices.Clone(o.Facts)
	for i := range o.Facts {
		o.Facts[i].Path = strings.Clone(o.Facts[i].Path)
	}
	return o
}

// command applies one command of the machine's own stream.
func (m *machine) command(c []byte) Outcome {
	m.t.Helper()
	m.seq++
	e := AppendBatchHeader(m.header(), m.origin, m.seq, 1)
	return m.entry(append(e, c...))[0]
}

// housekeep applies one command of the leader, decided in term.
func (m *machine) housekeep(term uint64, c []byte) Outcome {
	m.t.Helper()
	e := AppendHousekeepingHeader(m.header(), term, 1)
	return m.entry(append(e, c...))[0]
}

// connect creates a session.
func (m *machine) connect(ids ...wire.ID) *client {
	m.t.Helper()
	c := &client{m: m, password: [32]byte{1, 2, 3}}
	out := m.command(AppendCreateSession(nil, CreateSession{TimeoutMs: 10000,
		PasswordHash: c.password, Identities: ids}))
	if out.Skipped || out.Attach != AttachOK {
		m.t.Fatalf("create session: %+v", out)
	}
	c.id, c.generation = out.Session, out.Generation
	return c
}

// attach moves the session to another connection.
func (c *client) attach(ids ...wire.ID) {
	c.m.t.Helper()
	out := c.m.command(AppendAttach(nil, Attach{Session: c.id, PasswordHash: c.password,
		TimeoutMs: 10000, Identities: ids}))
	if out.Skipped || out.Attach != AttachOK {
		c.m.t.Fatalf("attach: %+v", out)
	}
	c.generation = out.Generation
}

// raw applies a request with any body.
func (c *client) raw(op wire.OpCode, body []byte) Outcome {
	c.m.t.Helper()
	return c.m.command(AppendRequest(nil, c.id, c.generation, c.m.flags, 7, op, body))
}

type record interface{ AppendTo([]byte) []byte }

func (c *client) do(op wire.OpCode, r record) Outcome {
	c.m.t.Helper()
	return c.raw(op, r.AppendTo(nil))
}

func (c *client) create(path, data string, flags int32) Outcome {
	c.m.t.Helper()
	return c.do(wire.OpCreate2, &wire.CreateRequest{Path: path, Data: []byte(data),
		ACL: wire.OpenACL(), Flags: flags})
}

func (c *client) set(path, data string, version int32) Outcome {
	c.m.t.Helper()
	return c.do(wire.OpSetData, &wire.SetDataRequest{Path: path, Data: []byte(data),
		Version: version})
}

func (c *client) delete(path string, version int32) Outcome {
	c.m.t.Helper()
	return c.do(wire.OpDelete, &wire.DeleteRequest{Path: path, Version: version})
}

func (c *client) multi(ops ...wire.MultiOp) Outcome {
	c.m.t.Helper()
	return c.do(wire.OpMulti, &wire.MultiRequest{Ops: ops})
}

func (c *client) close() Outcome {
	c.m.t.Helper()
	return c.raw(wire.OpCloseSession, nil)
}

// must fails the test if the outcome is an error.
func must(t testing.TB, o Outcome) Outcome {
	t.Helper()
	if o.Skipped || o.Err != wire.CodeOk || o.Failed != wire.CodeOk {
		t.Fatalf("outcome %+v, want one without error", o)
	}
	return o
}

// stat returns the Stat at path.
func (m *machine) stat(path string) wire.Stat {
	m.t.Helper()
	n := m.s.lookup(path)
	if n == nil {
		m.t.Fatalf("%s is missing", path)
	}
	return n.stat()
}

func (m *machine) data(path string) string {
	m.t.Helper()
	n := m.s.lookup(path)
	if n == nil {
		m.t.Fatalf("%s is missing", path)
	}
	return string(n.data)
}

// checkDigest compares the digest kept with the digest of what is there.
func (m *machine) checkDigest() {
	m.t.Helper()
	if got, want := m.s.Digest(), m.s.digestFromScratch(); got != want {
		m.t.Fatalf("Digest() = %x, from scratch it is %x", got, want)
	}
}

// events renders changes as people write them.
func events(o Outcome) []string {
	var list []string
	for _, c := range o.Changes {
		list = append(list, c.Type.String()+" "+c.Path)
	}
	return list
}

func diff(want, got any) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}
