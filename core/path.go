package core

import (
	"strings"
	"unicode/utf8"
)

// validPath says whether a znode may have this path (PROTOCOL 1.7). ZooKeeper judges UTF-16
// code units, hence nothing beyond the basic plane passes; bytes that are no UTF-8 it reads as
// U+FFFD, which it refuses as well.
func validPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	if path == "/" {
		return true
	}
	start := 1
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		if !validName(path[start:i]) {
			return false
		}
		start = i + 1
	}
	return true
}

// validName says whether one component of a path may have this name.
func validName(name string) bool {
	if name == "" || name == "." || name == ".." {
		return false
	}
	for i := 0; i < len(name); {
		if c := name[i]; c < utf8.RuneSelf {
			if c < 0x20 || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(name[i:])
		if r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0 {
			return false // utf8.RuneError is U+FFFD
		}
		i += size
	}
	return true
}

// splitPath cuts a path at its last slash, as ZooKeeper does before it knows that the path is
// a good one: the parent of "/a" is "", which names the root. ok is false if there is no slash,
// or a NUL somewhere.
func splitPath(path string) (parent, name string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || strings.IndexByte(path, 0) >= 0 {
		return "", "", false
	}
	return path[:i], path[i+1:], true
}

// isSystemPath says whether the path is one of ZooKeeper's own, which nobody deletes.
func isSystemPath(path string) bool {
	switch path {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return true
	}
	return false
}
