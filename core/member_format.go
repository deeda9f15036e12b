package core

import (
	"encoding/binary"
	"slices"

	"github.com/vivariumdb/vivarium/internal/varint"
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
	b = varint.AppendBool(b, c.Ends)
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
		c.Server = ServerID(d.Varint())
		d.Fill(c.Disk[:])
		c.Level = d.Uint32()
	case KindConfigure:
		c.Voters, c.Learners = d.raftIDs(), d.raftIDs()
		c.Ends, c.Target = d.Bool(), d.Uvarint()
	case KindGiveUp:
		c.Target = d.Uvarint()
		c.Code = wire.ErrorCode(d.Int32())
	case KindRaise:
		c.Level = d.Uint32()
	case KindAim:
		c.Version, c.Servers = Zxid(d.Varint()), d.servers()
	}
	return c
}

func appendRaftIDs(b []byte, ids []RaftID) []byte {
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(id))
	}
	return b
}

func (d *decoder) raftIDs() (ids []RaftID) {
	for range d.Count(1) {
		ids = append(ids, RaftID(d.Uvarint()))
	}
	return ids
}

func appendServers(b []byte, servers []Server) []byte {
	b = binary.AppendUvarint(b, uint64(len(servers)))
	for i := range servers {
		s := &servers[i]
		b = binary.AppendVarint(b, int64(s.ID))
		b = varint.AppendSized(b, s.Text())
	}
	return b
}

func (d *decoder) servers() (servers []Server) {
	for range d.Count(1) {
		id := ServerID(d.Varint())
		s, err := readServer(id, d.string())
		if err != nil || len(servers) > 0 && id <= servers[len(servers)-1].ID {
			d.Fail()
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
	for range d.Count(1) {
		m := MemberInfo{RaftID: RaftID(d.Uvarint()), Server: ServerID(d.Varint())}
		d.Fill(m.Disk[:])
		m.Role, m.Level = Role(d.Byte()), d.Uint32()
		if m.Role < RoleAdmitted || m.Role > RoleRemoved || len(members) > 0 &&
			m.RaftID <= members[len(members)-1].RaftID {
			d.Fail()
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
	b = varint.AppendSized(b, m.Founded)
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
	d.Fill(m.Cluster[:])
	m.Next = RaftID(d.Uvarint())
	m.Members, m.Servers = d.members(), d.servers()
	m.Version = Zxid(d.Varint())
	m.Founded = slices.Clone(d.Sized())
	if !d.Bool() {
		return m
	}
	m.Target = &Target{Index: d.Uvarint(), Servers: d.servers()}
	m.Target.Waiter = Waiter{Origin: Origin{RaftID(d.Uvarint()), Registration(d.Uvarint())},
		Seq: d.Uvarint(), Session: SessionID(d.Varint()), Generation: Generation(d.Uvarint()),
		Xid: d.Int32()}
	return m
}
