package fourletter

import "github.com/vivariumdb/vivarium/wire"

// LastOp is the name that cons prints for a request (FinalRequestProcessor). A request without a
// name of its own is printed as before it, so the caller keeps what it had when ok is false.
func LastOp(op wire.OpCode) (name string, ok bool) {
	switch op {
	case wire.OpPing:
		return "PING", true
	case wire.OpCreateSession:
		return "SESS", true
	case wire.OpMulti:
		return "MULT", true
	case wire.OpMultiRead:
		return "MLTR", true
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateTTL, wire.OpCreateContainer:
		return "CREA", true
	case wire.OpDelete, wire.OpDeleteContainer:
		return "DELE", true
	case wire.OpSetData:
		return "SETD", true
	case wire.OpReconfig:
		return "RECO", true
	case wire.OpSetACL:
		return "SETA", true
	case wire.OpCloseSession:
		return "CLOS", true
	case wire.OpSync:
		return "SYNC", true
	case wire.OpCheck:
		return "CHEC", true
	case wire.OpExists:
		return "EXIS", true
	case wire.OpGetData:
		return "GETD", true
	case wire.OpSetWatches:
		return "SETW", true
	case wire.OpSetWatches2:
		return "STW2", true
	case wire.OpAddWatch:
		return "ADDW", true
	case wire.OpGetACL:
		return "GETA", true
	case wire.OpGetChildren, wire.OpGetChildren2:
		return "GETC", true
	case wire.OpGetAllChildrenNumber:
		return "GETACN", true
	case wire.OpCheckWatches:
		return "CHKW", true
	case wire.OpRemoveWatches:
		return "REMW", true
	case wire.OpWhoAmI:
		return "HOMI", true
	case wire.OpGetEphemerals:
		return "GETE", true
	}
	return "", false
}
