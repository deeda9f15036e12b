package core

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/vivariumdb/vivarium/internal/varint"
	"github.com/vivariumdb/vivarium/wire"
)

// entryVersion is the version of the encoding of entries. One whose batches may not let the State
// grow is of the next one, which feature level 2 knows.
const (
	entryVersion    = 1
	noGrowthVersion = 2
)

// CommandKind says what a command is.
type CommandKind uint8

// The kinds of commands. The numbers are part of the entry format.
const (
	KindHello         CommandKind = 1 + iota // a process asks for a registration
	KindCreateSession                        // a client without a session has connected
	KindAttach                               // a client has come back to its session
	KindRequest                              // a client's write
	KindAuth                                 // a session gains identities
	KindExpire                               // the leader ends a session
	KindReap                                 // the leader removes a TTL or container znode
	KindAdmit                                // the leader lets a disk become a member
	KindConfigure                            // raft's configuration changes
	KindGiveUp                               // the leader gives up a target
	KindRaise                                // the leader raises the feature level
	KindAim                                  // the leader sets a target of its own
)

var kindNames = [...]string{KindHello: "hello", KindCreateSession: "createSession",
	KindAttach: "attach", KindRequest: "request", KindAuth: "auth", KindExpire: "expire",
	KindReap: "reap", KindAdmit: "admit", KindConfigure: "configure", KindGiveUp: "giveUp",
	KindRaise: "raise", KindAim: "aim"}

func (k CommandKind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("CommandKind(%d)", uint8(k))
}

// Flags are the settings of the server that took a request which change the request's outcome.
// They travel with it, for apply reads no server's settings (DESIGN section 2).
type Flags struct {
	SkipACL       bool // zookeeper.skipACL: no permission is checked
	EnforceQuota  bool // hard quotas refuse
	ExtendedTypes bool // TTL znodes may be created
	Reconfig      bool // reconfigEnabled
	X509          bool // ACLs may name ids of scheme x509
	SASL          bool // ACLs may name ids of scheme sasl
	MayStandAlone bool // standaloneEnabled=false: one voter is an ensemble
}

func (f Flags) bits() byte {
	var b byte
	for i, on := range [...]bool{f.SkipACL, f.EnforceQuota, f.ExtendedTypes, f.Reconfig, f.X509,
		f.SASL, f.MayStandAlone} {
		if on {
			b |= 1 << i
		}
	}
	return b
}

func flagsOf(b byte) Flags {
	return Flags{SkipACL: b&1 != 0, EnforceQuota: b&2 != 0, ExtendedTypes: b&4 != 0,
		Reconfig: b&8 != 0, X509: b&16 != 0, SASL: b&32 != 0, MayStandAlone: b&64 != 0}
}

// CreateSession asks for a new session.
type CreateSession struct {
	TimeoutMs    int32 // already clamped to what the server allows
	PasswordHash [32]byte
	LastZxidSeen Zxid // a client from the future gets no session; 0 is anybody
	Identities   []wire.ID
}

// Attach asks for a session that exists.
type Attach struct {
	Session      SessionID
	PasswordHash [32]byte
	TimeoutMs    int32 // already clamped
	LastZxidSeen Zxid
	Identities   []wire.ID
}

// Command is a decoded command. Kind says which fields are meant. Body, Path and the strings
// of Identities are views of the entry.
type Command struct {
	Kind         CommandKind
	Session      SessionID  // attach, request, auth, expire
	Generation   Generation // request, auth, expire
	Flags        Flags      // request
	Xid          int32      // request, auth
	Op           wire.OpCode
	Body         []byte       // request: the record behind the header, as the client sent it
	RaftID       RaftID       // hello
	Nonce        [16]byte     // hello
	Replaces     Registration // hello
	TimeoutMs    int32        // createSession, attach
	PasswordHash [32]byte     // createSession, attach
	LastZxidSeen Zxid         // createSession, attach
	Identities   []wire.ID    // createSession, attach, auth
	Path         string       // reap
	Czxid        Zxid         // reap
	NeverUsedMs  int64        // reap: 0 spares a container that never had a child

	Member *MemberCommand // admit, configure, giveUp, raise, aim
}

// Batch is a decoded batch: commands of one stream, or of the leader's housekeeping.
type Batch struct {
	Origin   Origin
	Term     uint64 // housekeeping (Origin.RaftID is 0): the term of the decision
	FirstSeq uint64
	Commands []Command
}

// Entry is a decoded entry.
type Entry struct {
	StampMs  int64
	NoGrowth bool // there is no room: what makes the State grow is refused
	Batches  []Batch
}

// ErrEntry is wrapped by every error of Begin and DecodeEntry. An entry that was committed and
// cannot be decoded is damage or a newer format: it must not be skipped.
var ErrEntry = errors.New("malformed entry")

// ErrLevel is wrapped by the error of Begin for an entry that raises the feature level above what
// this release follows: a newer one has to run here.
var ErrLevel = errors.New("feature level is not known")

func malformed(what string) error { return fmt.Errorf("decode entry: %w: %s", ErrEntry, what) }

// AppendEntryHeader starts an entry; batches follow.
func AppendEntryHeader(b []byte, stampMs int64) []byte {
	return binary.AppendUvarint(append(b, entryVersion), uint64(max(stampMs, 0)))
}

// AppendNoGrowthHeader starts an entry whose batches may not let the State grow: apply answers
// create and a setData that grows with an error, and the rest goes on (DESIGN section 5). It needs
// feature level 2.
func AppendNoGrowthHeader(b []byte, stampMs int64) []byte {
	return binary.AppendUvarint(append(b, noGrowthVersion), uint64(max(stampMs, 0)))
}

// AppendBatchHeader starts a batch of a stream; count commands follow, numbered from firstSeq.
// A hello is a batch of its own, with Registration 0 and firstSeq 0.
func AppendBatchHeader(b []byte, origin Origin, firstSeq, count uint64) []byte {
	b = binary.AppendUvarint(b, uint64(origin.RaftID))
	b = binary.AppendUvarint(b, uint64(origin.Registration))
	b = binary.AppendUvarint(b, firstSeq)
	return binary.AppendUvarint(b, count)
}

// AppendHousekeepingHeader starts a batch of the leader's own commands, decided in term.
func AppendHousekeepingHeader(b []byte, term, count uint64) []byte {
	b = binary.AppendUvarint(b, 0)
	b = binary.AppendUvarint(b, term)
	return binary.AppendUvarint(b, count)
}

// AppendHello appends a command by which a process registers its start: the nonce tells it
// from other starts, replaces is the registration that it found.
func AppendHello(b []byte, id RaftID, nonce [16]byte, replaces Registration) []byte {
	at := len(b)
	b = binary.AppendUvarint(append(b, byte(KindHello)), uint64(id))
	b = append(b, nonce[:]...)
	b = binary.AppendUvarint(b, uint64(replaces))
	return sized(b, at)
}

// AppendCreateSession appends a command that creates a session.
func AppendCreateSession(b []byte, c CreateSession) []byte {
	at := len(b)
	b = binary.AppendVarint(append(b, byte(KindCreateSession)), int64(c.TimeoutMs))
	b = append(b, c.PasswordHash[:]...)
	b = binary.AppendVarint(b, int64(c.LastZxidSeen))
	return sized(appendIDs(b, c.Identities), at)
}

// AppendAttach appends a command that moves a session to the connection of its client.
func AppendAttach(b []byte, a Attach) []byte {
	at := len(b)
	b = binary.AppendVarint(append(b, byte(KindAttach)), int64(a.Session))
	b = binary.AppendVarint(b, int64(a.TimeoutMs))
	b = append(b, a.PasswordHash[:]...)
	b = binary.AppendVarint(b, int64(a.LastZxidSeen))
	return sized(appendIDs(b, a.Identities), at)
}

// AppendRequest appends a client's write. body is the record behind the request's header.
func AppendRequest(b []byte, session SessionID, generation Generation, flags Flags, xid int32,
	op wire.OpCode, body []byte) []byte {
	var head [2 + 4*binary.MaxVarintLen64]byte
	h := append(head[:0], byte(KindRequest))
	h = binary.AppendVarint(h, int64(session))
	h = binary.AppendUvarint(h, uint64(generation))
	h = append(h, flags.bits())
	h = binary.AppendVarint(h, int64(xid))
	h = binary.AppendVarint(h, int64(op))
	b = binary.AppendUvarint(b, uint64(len(h)+len(body)))
	b = append(b, h...)
	return append(b, body...)
}

// AppendAuth appends a command that adds identities to a session.
func AppendAuth(b []byte, session SessionID, generation Generation, xid int32,
	ids []wire.ID) []byte {
	at := len(b)
	b = binary.AppendVarint(append(b, byte(KindAuth)), int64(session))
	b = binary.AppendUvarint(b, uint64(generation))
	b = binary.AppendVarint(b, int64(xid))
	return sized(appendIDs(b, ids), at)
}

// AppendExpire appends the leader's decision that a session is dead. It goes into a
// housekeeping batch.
func AppendExpire(b []byte, session SessionID, generation Generation) []byte {
	at := len(b)
	b = binary.AppendVarint(append(b, byte(KindExpire)), int64(session))
	return sized(binary.AppendUvarint(b, uint64(generation)), at)
}

// AppendReap appends the leader's decision that a TTL or container znode has had its time. It
// goes into a housekeeping batch. neverUsedMs is the leader's setting for containers that
// never had a child; 0 spares them.
func AppendReap(b []byte, path string, czxid Zxid, neverUsedMs int64) []byte {
	at := len(b)
	b = varint.AppendSized(append(b, byte(KindReap)), path)
	b = binary.AppendVarint(b, int64(czxid))
	return sized(binary.AppendUvarint(b, uint64(max(neverUsedMs, 0))), at)
}

func appendIDs(b []byte, ids []wire.ID) []byte {
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = varint.AppendSized(varint.AppendSized(b, id.Scheme), id.ID)
	}
	return b
}

// sized puts the length of b[at:] in front of it.
func sized(b []byte, at int) []byte {
	n := len(b) - at
	var head [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(head[:], uint64(n))
	b = append(b, head[:size]...)
	copy(b[at+size:], b[at:at+n])
	copy(b[at:], head[:size])
	return b
}

// decoder takes values from an entry.
type decoder struct{ varint.Reader }

func (d *decoder) string() string { return viewOf(d.Sized()) }

// ids reads identities into the capacity of dst.
func (d *decoder) ids(dst []wire.ID) []wire.ID {
	dst = dst[:0]
	for range d.Count(2) {
		dst = append(dst, wire.ID{Scheme: d.string(), ID: d.string()})
	}
	return dst
}

// header reads what stands before the first batch.
func (d *decoder) header() (stampMs int64, noGrowth bool, err error) {
	v := d.Byte()
	if v != entryVersion && v != noGrowthVersion {
		return 0, false, malformed(fmt.Sprintf("version %d is not known", v))
	}
	stamp := d.Uvarint()
	if d.Bad() || int64(stamp) < 0 {
		return 0, false, malformed("bad time stamp")
	}
	return int64(stamp), v == noGrowthVersion, nil
}

// batchHeader is what stands before the commands of a batch.
type batchHeader struct {
	origin   Origin
	term     uint64
	firstSeq uint64
	count    uint64
}

func (h *batchHeader) housekeeping() bool { return h.origin.RaftID == 0 }
func (h *batchHeader) hello() bool        { return !h.housekeeping() && h.origin.Registration == 0 }

func (d *decoder) batch() (h batchHeader, err error) {
	h.origin.RaftID = RaftID(d.Uvarint())
	if h.housekeeping() {
		h.term = d.Uvarint()
	} else {
		h.origin.Registration = Registration(d.Uvarint())
		h.firstSeq = d.Uvarint()
	}
	h.count = d.Uvarint()
	switch {
	case d.Bad():
		return h, malformed("truncated batch")
	case h.count == 0 || h.count > uint64(d.Len()):
		return h, malformed("batch with an impossible number of commands")
	case h.origin.Registration != 0 && (h.firstSeq == 0 || h.firstSeq+h.count < h.firstSeq):
		return h, malformed("batch with an impossible position")
	}
	return h, nil
}

// command reads one command of a batch with header h into c, whose memory it uses again.
func (d *decoder) command(h *batchHeader, c *Command) error {
	body := d.Sized()
	if d.Bad() {
		return malformed("truncated command")
	}
	in := decoder{varint.NewReader(body)}
	ids := c.Identities[:0]
	*c = Command{Kind: CommandKind(in.Byte())}
	in.fields(c, ids)
	if !in.Done() {
		return malformed("bad " + c.Kind.String() + " command")
	}
	fits := false
	switch c.Kind {
	case KindHello:
		fits = h.hello() && c.RaftID == h.origin.RaftID
	case KindExpire, KindReap, KindAdmit, KindConfigure, KindGiveUp, KindRaise, KindAim:
		fits = h.housekeeping()
	default:
		fits = !h.housekeeping() && !h.hello()
	}
	if !fits {
		return malformed(c.Kind.String() + " command in a batch of another kind")
	}
	return nil
}

// fields reads what stands behind the kind of a command.
func (d *decoder) fields(c *Command, ids []wire.ID) {
	switch c.Kind {
	case KindHello:
		c.RaftID = RaftID(d.Uvarint())
		d.Fill(c.Nonce[:])
		c.Replaces = Registration(d.Uvarint())
	case KindCreateSession:
		c.TimeoutMs = d.Int32()
		d.Fill(c.PasswordHash[:])
		c.LastZxidSeen = Zxid(d.Varint())
		c.Identities = d.ids(ids)
	case KindAttach:
		c.Session = SessionID(d.Varint())
		c.TimeoutMs = d.Int32()
		d.Fill(c.PasswordHash[:])
		c.LastZxidSeen = Zxid(d.Varint())
		c.Identities = d.ids(ids)
	case KindRequest:
		c.Session = SessionID(d.Varint())
		c.Generation = Generation(d.Uvarint())
		flags := d.Byte()
		if c.Flags = flagsOf(flags); c.Flags.bits() != flags {
			d.Fail() // members that do not know it would not do what it asks for
		}
		c.Xid = d.Int32()
		c.Op = wire.OpCode(d.Int32())
		c.Body = d.Rest()
	case KindAuth:
		c.Session = SessionID(d.Varint())
		c.Generation = Generation(d.Uvarint())
		c.Xid = d.Int32()
		c.Identities = d.ids(ids)
	case KindExpire:
		c.Session = SessionID(d.Varint())
		c.Generation = Generation(d.Uvarint())
	case KindReap:
		c.Path = d.string()
		c.Czxid = Zxid(d.Varint())
		c.NeverUsedMs = int64(d.Uvarint() &^ (1 << 63))
	case KindAdmit, KindConfigure, KindGiveUp, KindRaise, KindAim:
		c.Member = d.member(c.Kind)
	default:
		d.Fail()
	}
}

// DecodeEntry decodes an entry for those who only look at it: tools, and the simulator's
// histories. Nil and empty data are an entry without batches (raft's own).
func DecodeEntry(data []byte) (Entry, error) {
	var e Entry
	if len(data) == 0 {
		return e, nil
	}
	d := decoder{varint.NewReader(data)}
	var err error
	if e.StampMs, e.NoGrowth, err = d.header(); err != nil {
		return Entry{}, err
	}
	for d.Len() > 0 {
		h, err := d.batch()
		if err != nil {
			return Entry{}, err
		}
		batch := Batch{Origin: h.origin, Term: h.term, FirstSeq: h.firstSeq}
		for range h.count {
			var c Command
			if err := d.command(&h, &c); err != nil {
				return Entry{}, err
			}
			batch.Commands = append(batch.Commands, c)
		}
		e.Batches = append(e.Batches, batch)
	}
	return e, nil
}

// validate reads an entry to its end without changing anything but c. It refuses what a process
// that follows feature levels up to follows does not know, where the State is at level.
func validate(data []byte, c *Command, level, follows uint32) error {
	d := decoder{varint.NewReader(data)}
	_, noGrowth, err := d.header()
	if err != nil {
		return err
	}
	if noGrowth && level < 2 {
		return malformed("an entry without growth below feature level 2")
	}
	for d.Len() > 0 {
		h, err := d.batch()
		if err != nil {
			return err
		}
		for range h.count {
			if err := d.command(&h, c); err != nil {
				return err
			}
			if c.Kind == KindRaise && c.Member.Level > follows {
				return fmt.Errorf("%w: feature level %d, this release's highest is %d", ErrLevel,
					c.Member.Level, follows)
			}
		}
	}
	return nil
}

// CheckCommands says whether commands, as a Mail or a batch carries them, are exactly count whole
// ones that a stream may bring, numbered from firstSeq. A leader asks it before it lets a peer's
// commands into the log, where nobody could pass over a malformed one.
func CheckCommands(commands []byte, firstSeq, count uint64) error {
	h := batchHeader{origin: Origin{RaftID: 1, Registration: 1}, firstSeq: firstSeq, count: count}
	if count == 0 || count > uint64(len(commands)) || firstSeq == 0 || firstSeq+count < firstSeq {
		return malformed("batch with an impossible number or position")
	}
	d, c := decoder{varint.NewReader(commands)}, Command{}
	for range count {
		if err := d.command(&h, &c); err != nil {
			return err
		}
	}
	if d.Len() > 0 {
		return malformed("something behind the end of a batch")
	}
	return nil
}

// CutCommands returns what stands behind the first n of commands, which CheckCommands accepted.
func CutCommands(commands []byte, n uint64) []byte {
	d := decoder{varint.NewReader(commands)}
	for range n {
		d.Sized()
	}
	return d.Rest()
}

// AppendSpeakers appends the sessions whose requests are among commands, which CheckCommands
// accepted; one that speaks several times in a row once.
func AppendSpeakers(dst []SessionID, commands []byte) []SessionID {
	d, start := decoder{varint.NewReader(commands)}, len(dst)
	for d.Len() > 0 {
		c := decoder{varint.NewReader(d.Sized())}
		if kind := CommandKind(c.Byte()); kind != KindRequest && kind != KindAuth {
			continue
		}
		id := SessionID(c.Varint())
		if n := len(dst); n == start || dst[n-1] != id {
			dst = append(dst, id)
		}
	}
	return dst
}

// viewOf returns a string that shares b's memory: for what lives no longer than b.
func viewOf(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}
