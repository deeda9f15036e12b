package replication

import (
	"fmt"

	"github.com/vivariumdb/vivarium/core"
)

// Notice is something that an operator should know, told once when it changes.
type Notice struct {
	Kind     NoticeKind
	Member   core.RaftID  // clock, disk, handover
	OffsetMs int64        // clock: ahead of the median, or behind if negative; 0 is good again
	Low      bool         // disk, room
	Serving  core.Serving // serving
	Cause    core.Cause   // serving
}

// NoticeKind says what a Notice is about.
type NoticeKind uint8

const (
	NoticeServing  NoticeKind = 1 + iota // whom this member serves from now on
	NoticeClock                          // clock of Member
	NoticeDisk                           // this member's disk is low, or has room again
	NoticeRoom                           // from a leader: no quorum has room, or one has again
	NoticeHandover                       // leadership is being handed over to a member
)

func (n Notice) String() string {
	switch n.Kind {
	case NoticeClock:
		if n.OffsetMs == 0 {
			return fmt.Sprintf("the clock of member %v is good again", n.Member)
		}
		return fmt.Sprintf("the clock of member %v is off by %d ms", n.Member, n.OffsetMs)
	case NoticeDisk:
		if n.Low {
			return "the disk is nearly full"
		}
		return "the disk has room again"
	case NoticeRoom:
		if n.Low {
			return "no quorum has room on its disks: what grows is refused"
		}
		return "a quorum has room on its disks again"
	case NoticeHandover:
		return fmt.Sprintf("leadership goes to member %v", n.Member)
	case NoticeServing:
		if n.Serving == core.ServingAll {
			return "all clients are served"
		}
		return fmt.Sprintf("serving %v: %v", n.Serving, n.Cause)
	}
	return fmt.Sprintf("notice %d", n.Kind)
}
