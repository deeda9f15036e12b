package client

import (
	"context"
	"time"

	"github.com/vivariumdb/vivarium/wire"
)

// An Op is one operation of a Multi or a MultiRead.
type Op struct {
	op   wire.MultiOp
	path string
}

// A Result is the outcome of one Op. Only what the operation answers is set.
type Result struct {
	Path     string // of what was created
	Stat     Stat
	Data     []byte
	Children []string
	Err      error // a Code, nil for success
}

// CreateOp creates a znode in a Multi.
func CreateOp(path string, data []byte, mode Mode, acl []ACL) Op {
	return Op{path: path, op: wire.MultiOp{Op: wire.OpCreate2, Create: wire.CreateTTLRequest{
		Data: data, ACL: orOpen(acl), Flags: int32(mode)}}}
}

// CreateContainerOp creates a container in a Multi.
func CreateContainerOp(path string, data []byte, acl []ACL) Op {
	return Op{path: path, op: wire.MultiOp{Op: wire.OpCreateContainer,
		Create: wire.CreateTTLRequest{Data: data, ACL: orOpen(acl), Flags: wire.FlagContainer}}}
}

// CreateTTLOp creates a znode with a time to live in a Multi.
func CreateTTLOp(path string, data []byte, ttl time.Duration, acl []ACL) Op {
	return Op{path: path, op: wire.MultiOp{Op: wire.OpCreateTTL, Create: wire.CreateTTLRequest{
		Data: data, ACL: orOpen(acl), Flags: wire.FlagTTL, TTLMs: ttl.Milliseconds()}}}
}

// DeleteOp deletes a znode in a Multi.
func DeleteOp(path string, version int32) Op {
	return Op{path: path, op: wire.MultiOp{Op: wire.OpDelete,
		Delete: wire.DeleteRequest{Version: version}}}
}

// SetOp replaces the data of a znode in a Multi.
func SetOp(path string, data []byte, version int32) Op {
	return Op{path: path, op: wire.MultiOp{Op: wire.OpSetData,
		SetData: wire.SetDataRequest{Data: data, Version: version}}}
}

// CheckOp makes a Multi fail unless a znode has this version.
func CheckOp(path string, version int32) Op {
	return Op{path: path, op: wire.MultiOp{Op: wire.OpCheck,
		Check: wire.CheckRequest{Version: version}}}
}

// GetOp reads data in a MultiRead.
func GetOp(path string) Op {
	return Op{path: path, op: wire.MultiOp{Op: wire.OpGetData}}
}

// ChildrenOp reads the names of children in a MultiRead, in no particular order.
func ChildrenOp(path string) Op {
	return Op{path: path, op: wire.MultiOp{Op: wire.OpGetChildren}}
}

// Multi carries out all operations as one, or none of them. If one fails the error names it; the
// results are there in either case, once the server has answered.
func (c *Client) Multi(ctx context.Context, ops ...Op) ([]Result, error) {
	results, err := c.multi(ctx, wire.OpMulti, ops)
	if err != nil {
		return nil, err
	}
	for i, result := range results {
		if result.Err != nil && result.Err != ErrRolledBack {
			return results, newError(wire.OpMulti, ops[i].path, result.Err)
		}
	}
	return results, nil
}

// MultiRead carries out several reads at once. One that fails says so in its Result.
func (c *Client) MultiRead(ctx context.Context, ops ...Op) ([]Result, error) {
	return c.multi(ctx, wire.OpMultiRead, ops)
}

func (c *Client) multi(ctx context.Context, op wire.OpCode, ops []Op) ([]Result, error) {
	var m wire.MultiRequest
	for _, o := range ops {
		reads := o.op.Op == wire.OpGetData || o.op.Op == wire.OpGetChildren
		if o.path == "" || o.path[0] != '/' || reads != (op == wire.OpMultiRead) {
			return nil, newError(op, o.path, ErrBadArguments)
		}
		path := c.remote(o.path)
		o.op.Create.Path = c.remoteNew(o.path, o.op.Create.Flags)
		o.op.Delete.Path = c.remoteOld(o.path)
		o.op.SetData.Path, o.op.Check.Path, o.op.Read.Path = path, path, path
		m.Ops = append(m.Ops, o.op)
	}
	var response wire.MultiResponse
	if err := c.request(ctx, op, "", &m, nil, &response); err != nil {
		return nil, err
	}
	if len(response.Results) != len(ops) {
		return nil, newError(op, "", ErrMarshalling)
	}
	failed := false
	for i := range response.Results {
		failed = failed || response.Results[i].Err != wire.CodeOk
	}
	results := make([]Result, len(ops))
	for i := range response.Results {
		from := &response.Results[i]
		result := Result{Stat: from.Stat, Data: from.Data, Children: from.Children}
		if from.Path != "" {
			result.Path, _ = c.local(from.Path)
		}
		switch {
		case from.Err != wire.CodeOk:
			result.Err = Code(from.Err)
		case failed && op == wire.OpMulti:
			result.Err = ErrRolledBack // it went well, and was undone with the others
		}
		results[i] = result
	}
	return results, nil
}
