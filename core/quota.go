package core

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// A quota of a znode /a/b is two znodes of ZooKeeper's: /zookeeper/quota/a/b/zookeeper_limits
// with what is allowed and .../zookeeper_stats with what is there. They are found by walking
// the tree of quotas beside the path, so there is nothing else to keep.
const (
	limitsName = "zookeeper_limits"
	statsName  = "zookeeper_stats"
)

// quotaValue is one number in the text of a quota znode, such as bytes=10.
type quotaValue struct {
	key   string
	value int64
}

// parseQuota reads the text of a quota znode, count=5,bytes=-1=;byteHardLimit=10, appending to
// dst. Whatever is no number counts as -1, none; ZooKeeper's server dies of some such texts.
// The keys are views of text.
func parseQuota(dst []quotaValue, text []byte) []quotaValue {
	rest, odd := viewOf(text), 0
	if len(rest) > maxQuotaText {
		rest = rest[:strings.LastIndexAny(rest[:maxQuotaText], ",;")+1]
	}
	for rest != "" {
		pair := rest
		if i := strings.IndexAny(rest, ",;"); i >= 0 {
			pair, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		key, value, _ := strings.Cut(pair, "=")
		if key == "" {
			continue
		}
		value, _, _ = strings.Cut(value, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			n = -1
		}
		had := len(dst)
		if dst = setQuota(dst, key, n); len(dst) == had || knownQuotaKey(key) {
			continue
		}
		if odd++; odd > maxQuotaKeys {
			dst = dst[:had]
		}
	}
	return dst
}

// maxQuotaText bounds what is read and written of a quota's text, in bytes, and maxQuotaKeys the
// keys without a meaning that are kept of it: all of it is read and written at each write below,
// and a multi that may have to take it back keeps each text until its end.
const (
	maxQuotaText = 1 << 10
	maxQuotaKeys = 64
)

func knownQuotaKey(key string) bool {
	return key == "count" || key == "bytes" || key == "countHardLimit" || key == "byteHardLimit"
}

func setQuota(q []quotaValue, key string, value int64) []quotaValue {
	for i := range q {
		if q[i].key == key {
			q[i].value = value
			return q
		}
	}
	return append(q, quotaValue{key, value})
}

// quotaNumber returns the value of key, -1 if there is none.
func quotaNumber(q []quotaValue, key string) int64 {
	for i := range q {
		if q[i].key == key {
			return q[i].value
		}
	}
	return -1
}

// formatQuota writes the text of a quota znode: count first, bytes second, and if there is more
// a "=" that makes old readers stop, then the rest by name. Keys without a meaning are left out
// where the text would be longer than what parseQuota reads: it says of each what its number is,
// which the text that it was read from need not.
func formatQuota(q []quotaValue) []byte {
	b := strconv.AppendInt([]byte("count="), quotaNumber(q, "count"), 10)
	b = strconv.AppendInt(append(b, ",bytes="...), quotaNumber(q, "bytes"), 10)
	more := slices.DeleteFunc(slices.Clone(q), func(v quotaValue) bool {
		return v.key == "count" || v.key == "bytes"
	})
	if len(more) == 0 {
		return b
	}
	slices.SortFunc(more, func(a, b quotaValue) int { return strings.Compare(a.key, b.key) })
	room := maxQuotaText - len(b) - 1
	for _, v := range more {
		if knownQuotaKey(v.key) {
			room -= quotaPair(v)
		}
	}
	end := len(b)
	for _, v := range more {
		if !knownQuotaKey(v.key) {
			if room < quotaPair(v) {
				continue
			}
			room -= quotaPair(v)
		}
		if len(b) == end {
			b = append(b, '=')
		}
		b = append(append(append(b, ';'), v.key...), '=')
		b = strconv.AppendInt(b, v.value, 10)
	}
	return b
}

// quotaPair is the length of a key and its number in a quota's text, with what is before and
// between them.
func quotaPair(v quotaValue) int {
	var digits [20]byte
	return len(v.key) + 2 + len(strconv.AppendInt(digits[:0], v.value, 10))
}

// quotaOf returns the node below /zookeeper/quota that holds the quota for path: that of the
// nearest znode on the way to it that has one. nil if there is none.
func (s *State) quotaOf(path string) *node {
	var found *node
	q, rest := s.quotaRoot, strings.TrimPrefix(path, "/")
	for more := rest != ""; more && len(q.children) > 0; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		q = q.children[name]
		if q == nil {
			break
		}
		if q.children[limitsName] != nil {
			found = q
		}
	}
	return found
}

// withinQuota says whether hard limits allow path to grow by so many bytes and znodes. A soft
// limit that is passed is a fact.
func (s *State) withinQuota(path string, bytes, count int) bool {
	q := s.quotaOf(path)
	if q == nil {
		return true
	}
	stats := q.children[statsName]
	if stats == nil {
		return true
	}
	w := &s.work
	w.limits = parseQuota(w.limits[:0], q.children[limitsName].data)
	w.stats = parseQuota(w.stats[:0], stats.data)
	return s.withinLimit(q, int64(count), "count", "countHardLimit") &&
		s.withinLimit(q, int64(bytes), "bytes", "byteHardLimit")
}

func (s *State) withinLimit(q *node, grows int64, soft, hard string) bool {
	if grows == 0 {
		return true
	}
	limit := quotaNumber(s.work.limits, hard)
	if mutant.On("limits-hard-quota-one-more") && limit > -1 {
		limit++
	}
	refuses := limit > -1
	if !refuses {
		limit = quotaNumber(s.work.limits, soft)
	}
	if limit <= -1 || quotaNumber(s.work.stats, soft)+grows <= limit {
		return true
	}
	s.fact(Fact{Kind: FactQuotaExceeded,
		Path: s.keepPath(q)[len("/zookeeper/quota"):]})
	return !refuses
}

// countQuota keeps the statistics of the quota for path, if there is one. The data of
// zookeeper_stats changes and nothing else of it: no version, time, zxid or watch.
func (s *State) countQuota(path string, bytes, count int) {
	q := s.quotaOf(path)
	if q == nil || q.children[statsName] == nil {
		return
	}
	w := &s.work
	stats := q.children[statsName]
	w.stats = parseQuota(w.stats[:0], stats.data)
	w.stats = setQuota(w.stats, "count", quotaNumber(w.stats, "count")+int64(count))
	if mutant.On("limits-quota-keeps-deleted-bytes") && count < 0 {
		bytes = 0
	}
	w.stats = setQuota(w.stats, "bytes", quotaNumber(w.stats, "bytes")+int64(bytes))
	s.setStats(stats, w.stats)
}

func (s *State) setStats(stats *node, values []quotaValue) {
	text := formatQuota(values)
	s.change(stats)
	s.replaceData(stats, text)
	s.changed(stats)
}

// quotaCreated counts what is there when the statistics of a quota come into being.
func (s *State) quotaCreated(n *node) {
	if n.name != statsName {
		return
	}
	at := n.parent
	for at != nil && at != s.quotaRoot {
		at = at.parent
	}
	if at == nil {
		return
	}
	count, bytes := int64(0), int64(0)
	if target := s.lookup(n.parent.path()[len("/zookeeper/quota"):]); target != nil {
		count, bytes = measure(target)
	}
	s.setStats(n, []quotaValue{{"count", count}, {"bytes", bytes}})
}

// measure counts the znodes from n down and the bytes of their data.
func measure(n *node) (count, bytes int64) {
	count, bytes = 1, int64(len(n.data))
	for _, c := range n.children { //order-free: a sum
		cc, cb := measure(c)
		count, bytes = count+cc, bytes+cb
	}
	return count, bytes
}
