package core

import (
	"encoding/binary"
	"slices"

	"github.com/vivariumdb/vivarium/wire"
)

// MemberCommand is what a command of the leader about members says. Its slices and strings are
// its own.
type MemberCommand struct {
	Server   ServerID       // admit
	Disk     DiskID         // admit
	Level    uint32         // admit, raise
	Voters   []RaftID       // configure: raft's configuration from this entry on,
	Learners []RaftID       // whole
	Ends     bool           // configure: no change is under way behind it
	Target   uint64         // configure: what it has brought about; giveUp
	Code     wire.ErrorCode // giveUp: the answer
	Servers  []Server       // aim: the configuration to be brought about,
	Version  Zxid           // in the place of this one
}

// AppendAdmit appends the leader's word that a disk belongs to the ensemble; apply gives it its
// raft id. level is the highest feature level that its release follows. It goes into a
// housekeeping batch, as all the following do.
func AppendAdmit(b []byte, server ServerID, disk DiskID, level uint32) []byte {
	at := len(b)
	b = binary.AppendVarint(append(b, byte(KindAdmit)), int64(server))
	b = append(b, disk[:]...)
	return sized(binary.AppendUvarint(b, uint64(level)), at)
}

// AppendConfigure appends what raft's configuration is from this entry on.
func AppendConfigure(b []byte, c *MemberCommand) []byte {
	at := len(b)
	b = append(b, byte(KindConfigure))
	b = appendRaftIDs(appendRaftIDs(b, c.Voters), c.Learners)
	b = appendBool(b, c.Ends)
	return sized(binary.AppendUvarint(b, c.Target), at)
}

// AppendAim appends a target that the leader sets itself, because its file names voters that the
// configuration of that version does not.
func AppendAim(b []byte, version Zxid, servers []Server) []byte {
	at := len(b)
	b = binary.AppendVarint(append(b, byte(KindAim)), int64(version))
	return sized(appendServers(b, servers), at)
}

// AppendGiveUp appends that the leader could not bring about the target of that index.
func AppendGiveUp(b []byte, target uint64, code wire.ErrorCode) []byte {
	at := len(b)
	b = binary.AppendUvarint(append(b, byte(KindGiveUp)), target)
	return sized(binary.AppendVarint(b, int64(code)), at)
}

// AppendRaise appends a higher feature level.
func AppendRaise(b []byte, level uint32) []byte {
	at := len(b)
	return sized(binary.AppendUvarint(append(b, byte(KindRaise)), uint64(level)), at)
}

// member reads what stands behind the kind of a command about members.
func (d *decoder) member(kind CommandKind) *MemberCommand {
	c := &MemberCommand{}
	switch kind {
	case KindAdmit:
		c.Server = ServerID(d.varint())
		copy(c.Disk[:], d.bytes(uint64(len(c.Disk))))
		c.Level = d.uint32()
	case KindConfigure:
		c.Voters, c.Learners = d.raftIDs(), d.raftIDs()
		c.Ends, c.Target = d.bool(), d.uvarint()
	case KindGiveUp:
		c.Target = d.uvarint()
		c.Code = wire.ErrorCode(d.int32())
	case KindRaise:
		c.Level = d.uint32()
	case KindAim:
		c.Version, c.Servers = Zxid(d.varint()), d.servers()
	}
	return c
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func (d *decoder) bool() bool {
	v := d.byte()
	if v > 1 {
		d.fail()
	}
	return v == 1
}

func (d *decoder) uint32() uint32 {
	v := d.uvarint()
	if uint64(uint32(v)) != v {
		d.fail()
	}
	return uint32(v)
}

// length reads a number of things that are at least one byte each.
func (d *decoder) length() uint64 {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return n
}

func appendRaftIDs(b []byte, ids []RaftID) []byte {
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(id))
	}
	return b
}

func (d *decoder) raftIDs() (ids []RaftID) {
	for range d.length() {
		ids = append(ids, RaftID(d.uvarint()))
	}
	return ids
}

func appendServers(b []byte, servers []Server) []byte {
	b = binary.AppendUvarint(b, uint64(len(servers)))
	for i := range servers {
		s := &servers[i]
		b = binary.AppendVarint(b, int64(s.ID))
		text := s.Text()
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return b
}

func (d *decoder) servers() (servers []Server) {
	for range d.length() {
		id := ServerID(d.varint())
		s, err := ParseServer(id, d.string())
		if err != nil || len(servers) > 0 && id <= servers[len(servers)-1].ID {
			d.fail()
			return nil
		}
		servers = append(servers, s)
	}
	return servers
}

func appendMembers(b []byte, members []MemberInfo) []byte {
	b = binary.AppendUvarint(b, uint64(len(members)))
	for i := range members {
		m := &members[i]
		b = binary.AppendUvarint(b, uint64(m.RaftID))
		b = binary.AppendVarint(b, int64(m.Server))
		b = append(append(b, m.Disk[:]...), byte(m.Role))
		b = binary.AppendUvarint(b, uint64(m.Level))
	}
	return b
}

func (d *decoder) members() (members []MemberInfo) {
	for range d.length() {
		m := MemberInfo{RaftID: RaftID(d.uvarint()), Server: ServerID(d.varint())}
		copy(m.Disk[:], d.bytes(uint64(len(m.Disk))))
		m.Role, m.Level = Role(d.byte()), d.uint32()
		if m.Role < RoleAdmitted || m.Role > RoleRemoved || len(members) > 0 &&
			m.RaftID <= members[len(members)-1].RaftID {
			d.fail()
			return nil
		}
		members = append(members, m)
	}
	return members
}

func appendMembership(b []byte, m *Membership) []byte {
	b = append(b, m.Cluster[:]...)
	b = binary.AppendUvarint(b, uint64(m.Next))
	b = appendServers(appendMembers(b, m.Members), m.Servers)
	b = binary.AppendVarint(b, int64(m.Version))
	b = append(binary.AppendUvarint(b, uint64(len(m.Founded))), m.Founded...)
	t := m.Target
	if t == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(append(b, 1), t.Index)
	b = appendServers(b, t.Servers)
	w := &t.Waiter
	b = binary.AppendUvarint(b, uint64(w.Origin.RaftID))
	b = binary.AppendUvarint(b, uint64(w.Origin.Registration))
	b = binary.AppendUvarint(b, w.Seq)
	b = binary.AppendVarint(b, int64(w.Session))
	b = binary.AppendUvarint(b, uint64(w.Generation))
	return binary.AppendVarint(b, int64(w.Xid))
}

func (d *decoder) membership() *Membership {
	m := &Membership{}
	copy(m.Cluster[:], d.bytes(uint64(len(m.Cluster))))
	m.Next = RaftID(d.uvarint())
	m.Members, m.Servers = d.members(), d.servers()
	m.Version = Zxid(d.varint())
	m.Founded = slices.Clone(d.bytes(d.uvarint()))
	if !d.bool() {
		return m
	}
	m.Target = &Target{Index: d.uvarint(), Servers: d.servers()}
	m.Target.Waiter = Waiter{Origin: Origin{RaftID(d.uvarint()), Registration(d.uvarint())},
		Seq: d.uvarint(), Session: SessionID(d.varint()), Generation: Generation(d.uvarint()),
		Xid: d.int32()}
	return m
}
