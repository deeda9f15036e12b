package client

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/wire"
)

// Stat is what is known of a znode besides its data.
type Stat = wire.Stat

// ACL is an entry of an access control list, ID an identity in it, Perm its rights.
type (
	ACL  = wire.ACL
	ID   = wire.ID
	Perm = wire.Perm
)

// The rights of an ACL.
const (
	PermRead   = wire.PermRead
	PermWrite  = wire.PermWrite
	PermCreate = wire.PermCreate
	PermDelete = wire.PermDelete
	PermAdmin  = wire.PermAdmin
	PermAll    = wire.PermAll
)

// AnyVersion matches every version of a znode.
const AnyVersion = wire.AnyVersion

// Mode says what kind of znode is created.
type Mode int32

// The modes of Create. A sequential znode's name ends in a number of ten digits that the server
// gives; an ephemeral one goes with its session.
const (
	Persistent           = Mode(wire.FlagPersistent)
	Ephemeral            = Mode(wire.FlagEphemeral)
	PersistentSequential = Mode(wire.FlagPersistentSequential)
	EphemeralSequential  = Mode(wire.FlagEphemeralSequential)
)

// WatchMode says what a watch of AddWatch sees.
type WatchMode int32

// The modes of AddWatch.
const (
	// WatchNode sees the znode and the list of its children.
	WatchNode = WatchMode(wire.ModePersistent)
	// WatchTree sees the znode and all its descendants, each by its own events.
	WatchTree = WatchMode(wire.ModePersistentRecursive)
)

// WatchKind says which watches RemoveWatches removes.
type WatchKind int32

// The kinds of RemoveWatches.
const (
	ChildrenWatches   = WatchKind(wire.WatcherChildren)
	DataWatches       = WatchKind(wire.WatcherData)
	AllWatches        = WatchKind(wire.WatcherAny)
	PersistentWatches = WatchKind(wire.WatcherPersistent)
	TreeWatches       = WatchKind(wire.WatcherPersistentRecursive)
)

// record is a request of package wire.
type record interface{ AppendTo([]byte) []byte }

// answer is a reply of package wire.
type answer interface{ Decode(*wire.Reader) }

// remote returns the path as servers know it.
func (c *Client) remote(path string) string {
	if path == "/" && c.chroot != "" {
		return c.chroot
	}
	return c.chroot + path
}

// remoteNew returns the path of a znode to be created as servers know it. A sequential one at the
// root of this client has a name that is but a number: the slash before it keeps it below the
// chroot.
func (c *Client) remoteNew(path string, flags int32) string {
	switch flags {
	case wire.FlagPersistentSequential, wire.FlagEphemeralSequential, wire.FlagTTLSequential:
		if path == "/" {
			return c.chroot + path
		}
	}
	return c.remote(path)
}

// remoteOld returns the path of a znode to be deleted as servers know it. The root of a client
// cannot be deleted, whether it has a chroot or not, as ZooKeeper's Java client has it: the path
// stays "/", which every server refuses.
func (c *Client) remoteOld(path string) string {
	if path == "/" {
		return path
	}
	return c.remote(path)
}

// local returns a server's path as this client names it; false if it is not below the chroot.
func (c *Client) local(path string) (string, bool) {
	if c.chroot == "" {
		return path, true
	}
	rest, ok := strings.CutPrefix(path, c.chroot)
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return path, false
	case rest == "":
		return "/", true
	}
	return rest, true
}

// request sends a record and decodes the answer, which may be nil if there is none.
func (c *Client) request(ctx context.Context, op wire.OpCode, path string, body record, w *Watch,
	into answer) error {
	named := true
	switch op {
	case wire.OpWhoAmI, wire.OpMulti, wire.OpMultiRead, wire.OpGetEphemerals:
		named = false // no path of its own, or a prefix
	}
	if path == "" && named || path != "" && path[0] != '/' {
		// A chroot would be what is meant by none, and join any other to its last name.
		return newError(op, path, ErrBadArguments)
	}
	var b []byte
	if body != nil {
		b = body.AppendTo(nil)
	}
	reply, err := c.do(ctx, op, path, b, w)
	if err != nil {
		return err
	}
	return c.decode(reply, path, into)
}

// decode reads the body of a reply.
func (c *Client) decode(reply protocol.Reply, path string, into answer) error {
	if into == nil {
		return nil
	}
	r := wire.NewReader(reply.Body)
	into.Decode(&r)
	if r.Err() != nil {
		return newError(reply.Op, path, r.Err())
	}
	return nil
}

// orOpen returns the list that allows everything to everybody instead of nil.
func orOpen(acl []ACL) []ACL {
	if acl == nil {
		return wire.OpenACL()
	}
	return acl
}

// Create creates a znode and returns its path, which for sequential modes is longer than the one
// given. A nil ACL allows everything to everybody.
func (c *Client) Create(ctx context.Context, path string, data []byte, mode Mode, acl []ACL) (
	string, error) {
	m := wire.CreateRequest{Path: c.remoteNew(path, int32(mode)), Data: data, ACL: orOpen(acl),
		Flags: int32(mode)}
	var response wire.PathResponse
	if err := c.request(ctx, wire.OpCreate, path, &m, nil, &response); err != nil {
		return "", err
	}
	created, _ := c.local(response.Path)
	return created, nil
}

// Create2 is Create that returns the Stat as well.
func (c *Client) Create2(ctx context.Context, path string, data []byte, mode Mode, acl []ACL) (
	string, Stat, error) {
	return c.create2(ctx, wire.OpCreate2, path, &wire.CreateRequest{
		Path: c.remoteNew(path, int32(mode)), Data: data, ACL: orOpen(acl), Flags: int32(mode)})
}

// CreateContainer creates a znode that the servers remove some time after its last child.
func (c *Client) CreateContainer(ctx context.Context, path string, data []byte, acl []ACL) (
	string, Stat, error) {
	return c.create2(ctx, wire.OpCreateContainer, path, &wire.CreateRequest{Path: c.remote(path),
		Data: data, ACL: orOpen(acl), Flags: wire.FlagContainer})
}

// CreateTTL creates a znode that the servers remove when it has had no children and no new data
// for so long. The servers must allow it (extendedTypesEnabled).
func (c *Client) CreateTTL(ctx context.Context, path string, data []byte, ttl time.Duration,
	sequential bool, acl []ACL) (string, Stat, error) {
	m := wire.CreateTTLRequest{Data: data, ACL: orOpen(acl), Flags: wire.FlagTTL,
		TTLMs: ttl.Milliseconds()}
	if sequential {
		m.Flags = wire.FlagTTLSequential
	}
	m.Path = c.remoteNew(path, m.Flags)
	return c.create2(ctx, wire.OpCreateTTL, path, &m)
}

func (c *Client) create2(ctx context.Context, op wire.OpCode, path string, m record) (
	string, Stat, error) {
	var response wire.Create2Response
	if err := c.request(ctx, op, path, m, nil, &response); err != nil {
		return "", Stat{}, err
	}
	created, _ := c.local(response.Path)
	return created, response.Stat, nil
}

// Delete deletes a znode that has this version and no children. The root of the client stays.
func (c *Client) Delete(ctx context.Context, path string, version int32) error {
	m := wire.DeleteRequest{Path: c.remoteOld(path), Version: version}
	return c.request(ctx, wire.OpDelete, path, &m, nil, nil)
}

// Exists tells whether there is a znode.
func (c *Client) Exists(ctx context.Context, path string) (Stat, bool, error) {
	return c.exists(ctx, path, nil)
}

// ExistsW is Exists with a watch, which waits for the znode to be created if it does not exist.
func (c *Client) ExistsW(ctx context.Context, path string) (Stat, bool, *Watch, error) {
	w := c.newWatch(path, false)
	stat, exists, err := c.exists(ctx, path, w)
	if err != nil {
		return Stat{}, false, nil, err
	}
	return stat, exists, w, nil
}

func (c *Client) exists(ctx context.Context, path string, w *Watch) (Stat, bool, error) {
	m := wire.PathWatchRequest{Path: c.remote(path), Watch: w != nil}
	var response wire.StatResponse
	err := c.request(ctx, wire.OpExists, path, &m, w, &response)
	if isCode(err, ErrNoNode) {
		return Stat{}, false, nil
	}
	return response.Stat, err == nil, err
}

// isCode tells whether a call failed with this outcome and nothing else.
func isCode(err error, code Code) bool {
	e, ok := err.(*Error)
	return ok && e.Err == code
}

// Get returns the data of a znode; nil if it was created with nil.
func (c *Client) Get(ctx context.Context, path string) ([]byte, Stat, error) {
	return c.get(ctx, path, nil)
}

// GetW is Get with a watch on the data and on the znode itself.
func (c *Client) GetW(ctx context.Context, path string) ([]byte, Stat, *Watch, error) {
	w := c.newWatch(path, false)
	data, stat, err := c.get(ctx, path, w)
	if err != nil {
		return nil, Stat{}, nil, err
	}
	return data, stat, w, nil
}

func (c *Client) get(ctx context.Context, path string, w *Watch) ([]byte, Stat, error) {
	m := wire.PathWatchRequest{Path: c.remote(path), Watch: w != nil}
	var response wire.GetDataResponse
	err := c.request(ctx, wire.OpGetData, path, &m, w, &response)
	return response.Data, response.Stat, err
}

// Set replaces the data of a znode that has this version.
func (c *Client) Set(ctx context.Context, path string, data []byte, version int32) (Stat, error) {
	m := wire.SetDataRequest{Path: c.remote(path), Data: data, Version: version}
	var response wire.StatResponse
	err := c.request(ctx, wire.OpSetData, path, &m, nil, &response)
	return response.Stat, err
}

// Children returns the names of the children, sorted, and the Stat of the znode.
func (c *Client) Children(ctx context.Context, path string) ([]string, Stat, error) {
	return c.children(ctx, path, nil)
}

// ChildrenW is Children with a watch on the list and on the znode itself.
func (c *Client) ChildrenW(ctx context.Context, path string) ([]string, Stat, *Watch, error) {
	w := c.newWatch(path, false)
	names, stat, err := c.children(ctx, path, w)
	if err != nil {
		return nil, Stat{}, nil, err
	}
	return names, stat, w, nil
}

func (c *Client) children(ctx context.Context, path string, w *Watch) ([]string, Stat, error) {
	m := wire.PathWatchRequest{Path: c.remote(path), Watch: w != nil}
	var response wire.Children2Response
	err := c.request(ctx, wire.OpGetChildren2, path, &m, w, &response)
	slices.Sort(response.Children)
	return response.Children, response.Stat, err
}

// AllChildrenNumber returns how many descendants a znode has. It costs the server a walk.
func (c *Client) AllChildrenNumber(ctx context.Context, path string) (int, error) {
	m := wire.PathRequest{Path: c.remote(path)}
	var response wire.CountResponse
	err := c.request(ctx, wire.OpGetAllChildrenNumber, path, &m, nil, &response)
	return int(response.Count), err
}

// GetACL returns the access control list of a znode.
func (c *Client) GetACL(ctx context.Context, path string) ([]ACL, Stat, error) {
	m := wire.PathRequest{Path: c.remote(path)}
	var response wire.GetACLResponse
	err := c.request(ctx, wire.OpGetACL, path, &m, nil, &response)
	return response.ACL, response.Stat, err
}

// SetACL replaces the access control list of a znode whose list has this version (Stat.Aversion).
func (c *Client) SetACL(ctx context.Context, path string, acl []ACL, version int32) (Stat, error) {
	m := wire.SetACLRequest{Path: c.remote(path), ACL: acl, Version: version}
	var response wire.StatResponse
	err := c.request(ctx, wire.OpSetACL, path, &m, nil, &response)
	return response.Stat, err
}

// Sync waits until the server has caught up with all that was committed when it was called. A
// read behind it sees all of that.
func (c *Client) Sync(ctx context.Context, path string) error {
	m := wire.PathRequest{Path: c.remote(path)}
	return c.request(ctx, wire.OpSync, path, &m, nil, nil)
}

// GetEphemerals returns the paths of this session's ephemerals that begin with prefix, sorted.
func (c *Client) GetEphemerals(ctx context.Context, prefix string) ([]string, error) {
	m := wire.PathRequest{Path: c.chroot + prefix}
	var response wire.EphemeralsResponse
	if err := c.request(ctx, wire.OpGetEphemerals, prefix, &m, nil, &response); err != nil {
		return nil, err
	}
	var paths []string
	for _, path := range response.Paths {
		if path, ok := c.local(path); ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// WhoAmI returns the identities of this client, as the server sees them.
func (c *Client) WhoAmI(ctx context.Context) ([]ID, error) {
	var response wire.WhoAmIResponse
	err := c.request(ctx, wire.OpWhoAmI, "", nil, nil, &response)
	var ids []ID
	for _, info := range response.Clients {
		ids = append(ids, ID{Scheme: info.Scheme, ID: info.User})
	}
	return ids, err
}

// AddAuth shows an identity to this server and to all later ones. If it is refused the session
// ends with ErrAuthFailed. After ErrConnectionLoss the next server is shown it all the same.
func (c *Client) AddAuth(ctx context.Context, scheme string, auth []byte) error {
	_, err := c.submit(ctx, wire.OpAuth, "", nil,
		func(tag uint64, _ protocol.WatcherID) error {
			return c.session.AddAuth(tag, scheme, auth, c.now())
		})
	return err
}

// AddWatch sets a watch that stays until it is closed. The znode need not exist.
func (c *Client) AddWatch(ctx context.Context, path string, mode WatchMode) (*Watch, error) {
	m := wire.AddWatchRequest{Path: c.remote(path), Mode: int32(mode)}
	w := c.newWatch(path, true)
	if err := c.request(ctx, wire.OpAddWatch, path, &m, w, nil); err != nil {
		return nil, err
	}
	return w, nil
}

// RemoveWatches removes all watches of this client on a path: each gets a last event. To remove
// one of several, close it.
func (c *Client) RemoveWatches(ctx context.Context, path string, kind WatchKind) error {
	m := wire.WatcherRequest{Path: c.remote(path), Type: int32(kind)}
	return c.request(ctx, wire.OpRemoveWatches, path, &m, nil, nil)
}
