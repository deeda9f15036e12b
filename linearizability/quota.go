package linearizability

import (
	"sort"
	"strconv"
	"strings"
)

const (
	limitsName = "zookeeper_limits"
	statsName  = "zookeeper_stats"
)

// quotaOf is the nearest node above path, or path itself, that has a quota; "" when none has.
func (m *model) quotaOf(path string) string {
	for p := path; p != "/" && p != ""; p, _ = split(p) {
		if m.quotas[p] {
			return p
		}
	}
	return ""
}

// quotaAdded keeps the quotas' books for a node that was created. The node of the limits makes a
// quota, the node of the stats makes ZooKeeper count anew.
func (m *model) quotaAdded(path, parentPath, name string, n *node) {
	if at, ok := quotaTarget(parentPath); ok {
		switch name {
		case limitsName:
			m.setQuota(at, true)
		case statsName:
			m.recount(at)
		}
	}
	m.quotaCount(path, int64(len(n.data)), 1)
}

func (m *model) quotaRemoved(path, parentPath, name string, n *node) {
	if at, ok := quotaTarget(parentPath); ok && name == limitsName {
		m.setQuota(at, false)
	}
	m.quotaCount(path, -int64(len(n.data)), -1)
}

// quotaTarget is the node whose quota lives at parentPath.
func quotaTarget(parentPath string) (string, bool) {
	if !strings.HasPrefix(parentPath, quotaRoot+"/") {
		return "", false
	}
	return parentPath[len(quotaRoot):], true
}

func (m *model) setQuota(at string, on bool) {
	was := m.quotas[at]
	m.quotas[at] = on
	m.onUndo(func() { m.quotas[at] = was })
}

// recount writes the count and the bytes of a whole subtree into its stats node.
func (m *model) recount(at string) {
	stats := m.nodes[quotaRoot+at+"/"+statsName]
	count, bytes := int64(0), int64(0)
	for p, n := range m.nodes {
		if p == at || strings.HasPrefix(p, at+"/") {
			count++
			bytes += int64(len(n.data))
		}
	}
	m.setStats(stats, quotaText{"count": count, "bytes": bytes})
}

// quotaCount adds to the stats of the quota above a path.
func (m *model) quotaCount(path string, bytes, count int64) {
	at := m.quotaOf(path)
	if at == "" {
		return
	}
	stats := m.nodes[quotaRoot+at+"/"+statsName]
	if stats == nil {
		return
	}
	q := parseQuota(stats.data)
	q["count"] = q.get("count") + count
	q["bytes"] = q.get("bytes") + bytes
	m.setStats(stats, q)
}

// setStats changes the data of a stats node and nothing else: no version, no time, no event.
func (m *model) setStats(n *node, q quotaText) {
	data := n.data
	n.data = []byte(q.String())
	m.onUndo(func() { n.data = data })
}

// overQuota says whether a hard limit forbids what would add bytes and nodes at a path.
func (m *model) overQuota(path string, bytes, count int64, o *origin) bool {
	if !o.enforceQuota {
		return false
	}
	at := m.quotaOf(path)
	if at == "" {
		return false
	}
	limits, stats := m.nodes[quotaRoot+at+"/"+limitsName], m.nodes[quotaRoot+at+"/"+statsName]
	if limits == nil || stats == nil {
		return false
	}
	l, s := parseQuota(limits.data), parseQuota(stats.data)
	if hard := l.get("countHardLimit"); count != 0 && hard > -1 && s.get("count")+count > hard {
		return true
	}
	hard := l.get("byteHardLimit")
	return bytes != 0 && hard > -1 && s.get("bytes")+bytes > hard
}

// quotaText is the text of limits and stats: pairs of key and number.
type quotaText map[string]int64

func (q quotaText) get(key string) int64 {
	if v, ok := q[key]; ok {
		return v
	}
	return -1
}

func parseQuota(data []byte) quotaText {
	q := quotaText{}
	pairs := strings.FieldsFunc(string(data), func(r rune) bool { return r == ',' || r == ';' })
	for _, pair := range pairs {
		kv := strings.Split(pair, "=")
		if len(kv) < 2 {
			continue
		}
		v := int64(-1)
		if kv[1] != "" {
			v, _ = strconv.ParseInt(kv[1], 10, 64)
		}
		q[kv[0]] = v
	}
	return q
}

// String is ZooKeeper's form; the "=" before the first semicolon is for parsers older than 3.5.
func (q quotaText) String() string {
	var b strings.Builder
	b.WriteString("count=" + strconv.FormatInt(q.get("count"), 10))
	b.WriteString(",bytes=" + strconv.FormatInt(q.get("bytes"), 10))
	var more []string
	for k := range q {
		if k != "count" && k != "bytes" {
			more = append(more, k)
		}
	}
	sort.Strings(more)
	for i, k := range more {
		if i == 0 {
			b.WriteString("=")
		}
		b.WriteString(";" + k + "=" + strconv.FormatInt(q[k], 10))
	}
	return b.String()
}
