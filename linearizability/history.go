package linearizability

// Version is the version of the format that this package writes. A reader refuses others.
const Version = 1

// History is what happened in one run.
type History struct {
	Header Header
	Lines  []Line
}

// Add appends a line and numbers it. The header is line 1.
func (h *History) Add(l Line) {
	l.No = len(h.Lines) + 2
	h.Lines = append(h.Lines, l)
}

// Header is the first line of a history. Fields that are zero ask for nothing.
type Header struct {
	// Version is filled in by the writer.
	Version int `json:"history"`
	// Name says what ran, for people.
	Name string `json:"name,omitempty"`
	// Seed is the seed of the run.
	Seed uint64 `json:"seed,omitempty"`
	// Super is the digest identity (user:hash) whose bearer is the super user.
	Super string `json:"super,omitempty"`
	// SkipACL says that the servers check no ACLs for reads and events. (For writes it travels.)
	SkipACL bool `json:"skipACL,omitempty"`
	// Config is the text of /zookeeper/config at the beginning.
	Config []byte `json:"config,omitempty"`
	// Zxid is the last one taken before the beginning.
	Zxid int64 `json:"zxid,omitempty"`
	// RootCreates is how many children of the root were created before the beginning, which were
	// deleted since: sequence numbers go on from there. The system's znodes do not count.
	RootCreates int32 `json:"rootCreates,omitempty"`
	// DriftPerMille bounds how much faster than virtual time any member's clock may run; a session
	// may be found silent that much too early. Jumps of a wall clock must not matter.
	DriftPerMille int64 `json:"driftPerMille,omitempty"`
	// MinTimeoutMs and MaxTimeoutMs bound the time-outs that servers grant; without the second they
	// are not known.
	MinTimeoutMs int32 `json:"minTimeoutMs,omitempty"`
	MaxTimeoutMs int32 `json:"maxTimeoutMs,omitempty"`
	// NeverUsedMs is how long a container that never had a child stays at least; below 0 it stays
	// for ever, 0 is unknown.
	NeverUsedMs int64 `json:"neverUsedMs,omitempty"`
	// Members is how many servers there are; 0 counts as 1.
	Members int `json:"members,omitempty"`
	// Fresh says that the tree began with nothing in it but the system's znodes. It counts only in
	// a history without commit lines; one with them begins so.
	Fresh bool `json:"fresh,omitempty"`
	// ExpirySlackMs is by how much a session may be ended early all the same: a tick or two.
	ExpirySlackMs int64 `json:"expirySlackMs,omitempty"`
	// AnswerWithin is the virtual time in microseconds in which, after quiesce, calls are answered
	// and events arrive. 0: not judged.
	AnswerWithin int64 `json:"answerWithin,omitempty"`
}

// Line is one thing that happened. Which fields count is said at the constants of Kind.
//
// Everything that a line points to is given away with it: neither the writer of the history nor
// a judge changes it afterwards.
type Line struct {
	No      int   `json:"-"`  // place in the history or file, from 2 on
	At      int64 `json:"at"` // virtual microseconds
	Kind    Kind  `json:"kind"`
	Server  int64 `json:"server,omitempty"`
	Client  int64 `json:"client,omitempty"`
	Conn    int64 `json:"conn,omitempty"`
	Session int64 `json:"session,omitempty"`
	Xid     int32 `json:"xid,omitempty"`
	Zxid    int64 `json:"zxid,omitempty"`

	Event  EventType `json:"event,omitempty"`
	Path   string    `json:"path,omitempty"`
	Index  uint64    `json:"index,omitempty"`
	Digest string    `json:"digest,omitempty"`
	Text   string    `json:"text,omitempty"`

	Connect *Connect `json:"connect,omitempty"`
	Commit  *Commit  `json:"commit,omitempty"`
	Request *Request `json:"request,omitempty"`
	Result  *Result  `json:"result,omitempty"`
}

// Connect is what connect requests and answers carry.
type Connect struct {
	// TimeoutMs is the time-out asked for, or the one granted (0: refused).
	TimeoutMs int32 `json:"timeoutMs,omitempty"`
	// LastZxidSeen is the last zxid that the client has seen.
	LastZxidSeen int64 `json:"lastZxidSeen,omitempty"`
	// Address is the client's, as servers see it; "" is unknown.
	Address string `json:"address,omitempty"`
	// Resumed says that the session existed before.
	Resumed bool `json:"resumed,omitempty"`
	// WrongPassword says that the client deliberately gave a wrong password.
	WrongPassword bool `json:"wrongPassword,omitempty"`
	// ReadOnly is the flag of the request, or the answer's: the session lives on this server only.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Generation is the one that the connection's attach was given; 0 when the writer of the
	// history cannot know it, the judges then guess it from the commits.
	Generation uint64 `json:"generation,omitempty"`
}

// Commit is what a committed command carries beyond the request.
type Commit struct {
	Kind CommitKind `json:"kind"`
	// Index is the log's index of the entry; Pos counts the commands in it from 0.
	Index uint64 `json:"index"`
	Pos   int32  `json:"pos,omitempty"`
	// Term is the term of the entry.
	Term uint64 `json:"term"`
	// StampMs is the entry's stamp on the service's clock.
	StampMs int64 `json:"stampMs"`
	// Stream and Seq are the place in the stream of the server that sent it; Seq counts commands
	// from 1 within a Stream. 0: it came by no stream.
	Stream uint64 `json:"stream,omitempty"`
	Seq    uint64 `json:"seq,omitempty"`
	// Turn is TurnTaken if the command's place in its stream was the next one of the stream that
	// is its member's, whatever became of the command then, TurnRefused if not. "" is unknown: a
	// command that took effect had its turn, of others nobody can say.
	Turn string `json:"turn,omitempty"`
	// DecidedAt is when a leader gave the entry to its log, in virtual microseconds; 0 is unknown.
	// It counts for what the service decides by itself (CommitExpire).
	DecidedAt int64 `json:"decidedAt,omitempty"`
	// Origin is the member that sent it, by any number that is the same for the same member.
	Origin uint64 `json:"origin,omitempty"`
	// Generation is the session's generation that the command claims (of an attach: was given).
	Generation uint64 `json:"generation,omitempty"`

	SkipACL       bool `json:"skipACL,omitempty"`
	EnforceQuota  bool `json:"enforceQuota,omitempty"`
	ExtendedTypes bool `json:"extendedTypes,omitempty"`
	// NoGrowth says that the entry lets nothing grow, since there is no room: a create or a setData
	// of more than there was is refused as beyond a quota.
	NoGrowth bool `json:"noGrowth,omitempty"`
	// Skipped says that apply left the command without any effect: a duplicate, an old
	// generation, an ended session, a decision of an earlier term.
	Skipped bool `json:"skipped,omitempty"`
	// Bare says that of the Result only Err is known: who wrote the line answers nobody.
	Bare bool `json:"bare,omitempty"`
	// Pending says of a reconfig that it was accepted and goes on: it takes no zxid here, and the
	// CommitConfig that ends it has its zxid and its outcome.
	Pending bool `json:"pending,omitempty"`

	TimeoutMs    int32 `json:"timeoutMs,omitempty"`
	LastZxidSeen int64 `json:"lastZxidSeen,omitempty"`
	// Secret stands for the session's password; equal secrets mean equal passwords.
	Secret     string `json:"secret,omitempty"`
	Identities []ID   `json:"identities,omitempty"`
}

// Request is a request in ZooKeeper's terms.
type Request struct {
	Op   Op     `json:"op"`
	Path string `json:"path,omitempty"`
	// Data is nil for null, which is not the same as empty.
	Data []byte `json:"data,omitempty"`
	// Version is the one expected; -1 is any.
	Version int32 `json:"version,omitempty"`
	// Flags are those of create.
	Flags int32 `json:"flags,omitempty"`
	// TTL is that of createTTL in milliseconds.
	TTL int64 `json:"ttl,omitempty"`
	ACL []ACL `json:"acl,omitempty"`
	// Watch is the flag of a read.
	Watch bool `json:"watch,omitempty"`
	// Mode is the mode of addWatch, or the watcher type of checkWatches and removeWatches.
	Mode int32 `json:"mode,omitempty"`
	// Scheme and Auth are those of an auth packet.
	Scheme string `json:"scheme,omitempty"`
	Auth   []byte `json:"auth,omitempty"`
	// Watches are the lists of setWatches and setWatches2.
	Watches *Watches `json:"watches,omitempty"`
	// Reconfig is what a reconfig asks for.
	Reconfig *Reconfig `json:"reconfig,omitempty"`
	// Ops are the parts of multi and multiRead.
	Ops []Request `json:"ops,omitempty"`
	// Malformed says that the body does not decode; nothing but Op counts then.
	Malformed bool `json:"malformed,omitempty"`
}

// Reconfig is what a reconfig asks for: Joining and Leaving, or Members.
type Reconfig struct {
	Joining string `json:"joining,omitempty"`
	Leaving string `json:"leaving,omitempty"`
	Members string `json:"members,omitempty"`
	// Version is that of the configuration that is expected; -1 is any.
	Version int64 `json:"version"`
}

// Watches are the lists of setWatches and setWatches2.
type Watches struct {
	RelativeZxid int64    `json:"relativeZxid,omitempty"`
	Data         []string `json:"data,omitempty"`
	Exist        []string `json:"exist,omitempty"`
	Child        []string `json:"child,omitempty"`
	Persistent   []string `json:"persistent,omitempty"`
	Recursive    []string `json:"recursive,omitempty"`
}

// Result is an answer, an outcome, or one part of a multi's.
type Result struct {
	// Op is the type in the header of a multi's part, OpError for a failed one. 0 elsewhere.
	Op  Op   `json:"op,omitempty"`
	Err Code `json:"err,omitempty"`
	// Path is that of a create or sync.
	Path string `json:"path,omitempty"`
	// Data is nil for null, which is not the same as empty.
	Data []byte `json:"data,omitempty"`
	Stat *Stat  `json:"stat,omitempty"`
	ACL  []ACL  `json:"acl,omitempty"`
	// Children are names, in any order; of getEphemerals, and of the end of a session (when the
	// writer knows what it deleted), paths.
	Children []string `json:"children,omitempty"`
	// Count is that of getAllChildrenNumber.
	Count int32 `json:"count,omitempty"`
	// Clients are those of whoAmI.
	Clients []ID `json:"clients,omitempty"`
	// Parts are the results of multi and multiRead.
	Parts []Result `json:"parts,omitempty"`
}

// Stat is ZooKeeper's, as clients see it.
type Stat struct {
	Czxid          int64 `json:"czxid"`
	Mzxid          int64 `json:"mzxid"`
	Ctime          int64 `json:"ctime"`
	Mtime          int64 `json:"mtime"`
	Version        int32 `json:"version"`
	Cversion       int32 `json:"cversion"`
	Aversion       int32 `json:"aversion"`
	EphemeralOwner int64 `json:"ephemeralOwner"`
	DataLength     int32 `json:"dataLength"`
	NumChildren    int32 `json:"numChildren"`
	Pzxid          int64 `json:"pzxid"`
}

// ID is a scheme and an identity in it.
type ID struct {
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
}

// ACL is one entry of an access control list.
type ACL struct {
	Perms int32 `json:"perms"`
	ID    ID    `json:"id"`
}
