package linearizability

import "strings"

// readOp says which ops read evaluates.
func readOp(op Op) bool {
	switch op {
	case OpExists, OpGetData, OpGetACL, OpGetChildren, OpGetChildren2, OpMultiRead,
		OpGetEphemerals, OpGetAllChildrenNumber, OpWhoAmI:
		return true
	}
	return false
}

// read answers a read of the current state.
func (m *model) read(r *Request, o *origin) Result {
	if r.Malformed {
		return fail(CodeMarshallingError)
	}
	switch r.Op {
	case OpExists:
		return m.exists(r.Path, o)
	case OpGetData:
		return m.getNode(r.Path, permRead, o, func(n *node) Result {
			return Result{Data: n.data, Stat: n.describe()}
		})
	case OpGetACL:
		return m.getNode(r.Path, permRead|permAdmin, o, func(n *node) Result {
			acl := n.acl
			if !m.allowed(acl, permAdmin, o) {
				acl = masked(acl)
			}
			return Result{ACL: acl, Stat: n.describe()}
		})
	case OpGetChildren:
		return m.getNode(r.Path, permRead, o, func(n *node) Result {
			return Result{Children: sortedKeys(n.children)}
		})
	case OpGetChildren2:
		return m.getNode(r.Path, permRead, o, func(n *node) Result {
			return Result{Children: sortedKeys(n.children), Stat: n.describe()}
		})
	case OpGetAllChildrenNumber:
		return m.getNode(r.Path, permRead, o, func(*node) Result {
			return Result{Count: m.descendants(r.Path)}
		})
	case OpGetEphemerals:
		return m.getEphemerals(r.Path, o)
	case OpMultiRead:
		return m.multiRead(r, o)
	case OpWhoAmI:
		res := Result{Clients: []ID{}}
		for _, id := range o.identities {
			res.Clients = append(res.Clients, userOf(id))
		}
		return res
	}
	return fail(CodeUnimplemented)
}

func (m *model) exists(path string, o *origin) Result {
	if strings.IndexByte(path, 0) >= 0 {
		return fail(CodeBadArguments)
	}
	return m.getNode(path, permRead, o, func(n *node) Result {
		return Result{Stat: n.describe()}
	})
}

func (m *model) getNode(path string, perm int32, o *origin, get func(*node) Result) Result {
	n := m.node(path)
	if n == nil {
		return fail(CodeNoNode)
	}
	if !m.allowed(n.acl, perm, o) {
		return fail(CodeNoAuth)
	}
	return get(n)
}

func (m *model) getEphemerals(prefix string, o *origin) Result {
	res := Result{Children: []string{}}
	all := strings.TrimSpace(prefix) == "" || strings.TrimSpace(prefix) == "/"
	if s := m.sessions[o.session]; s != nil {
		for _, p := range sortedKeys(s.ephemerals) {
			if all || strings.HasPrefix(p, prefix) {
				res.Children = append(res.Children, p)
			}
		}
	}
	return res
}

func (m *model) multiRead(r *Request, o *origin) Result {
	res := Result{Parts: []Result{}}
	for i := range r.Ops {
		op := &r.Ops[i]
		if op.Malformed || op.Op != OpGetData && op.Op != OpGetChildren {
			return fail(CodeMarshallingError)
		}
		part := m.read(op, o)
		part.Op = op.Op
		if part.Err != CodeOk {
			part.Op = OpError
		}
		res.Parts = append(res.Parts, part)
	}
	return res
}
