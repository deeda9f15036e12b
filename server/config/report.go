package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Where is the place a setting was written at.
type Where struct {
	// File is the file's name, or "-D", or "SERVER_JVMFLAGS".
	File string
	// Line counts from 1; 0 where there are no lines.
	Line int
}

// String is file:line, as editors understand it.
func (w Where) String() string {
	if w.Line == 0 {
		return w.File
	}
	return w.File + ":" + strconv.Itoa(w.Line)
}

// NoticeKind says why a person is told something.
type NoticeKind int

// The kinds of notices.
const (
	// UnknownKey: nobody reads this key.
	UnknownKey NoticeKind = iota
	// WithoutEffect: the key is ZooKeeper's, and this server does not use it.
	WithoutEffect
	// Unsafe: the setting works and endangers data or access.
	Unsafe
	// Overridden: the key is set in several places, and this one does not count.
	Overridden
	// Advice: the setting works, but probably not as its author thinks.
	Advice
	// JVMFlags: flags for a Java machine, which is not there.
	JVMFlags
)

// String names the kind as a word for logs.
func (k NoticeKind) String() string {
	switch k {
	case UnknownKey:
		return "unknown key"
	case WithoutEffect:
		return "without effect"
	case Unsafe:
		return "unsafe"
	case Overridden:
		return "overridden"
	case Advice:
		return "advice"
	case JVMFlags:
		return "JVM flags"
	}
	return "NoticeKind(" + strconv.Itoa(int(k)) + ")"
}

// Notice is one thing to log once. It never contains the value of a secret.
type Notice struct {
	Kind  NoticeKind
	Where Where
	// Key is the key as it was written; "" if the notice is about something else.
	Key string
	// Text says what it means, without place and key.
	Text string
}

// String is the whole line: place, key, text.
func (n Notice) String() string {
	return prefix(n.Where, n.Key) + n.Text
}

// Report is what a person should be told about a configuration that loads.
type Report struct {
	// Notices stand in the order of the sources: the file's lines, the dynamic file's, -D, the
	// environment's flags, and then what follows from several settings together.
	Notices []Notice
}

// Fault is one reason why a server must not start with this configuration.
type Fault struct {
	Where Where
	Key   string
	// Value is as it was written, "(hidden)" for a secret.
	Value string
	// Problem says what is wrong and what is allowed.
	Problem string
	// Remedy says what to do; "" where the problem says it already.
	Remedy string
}

// String is one line: place, key and value, problem; remedy.
func (f Fault) String() string {
	var b strings.Builder
	if f.Where.File != "" {
		b.WriteString(f.Where.String() + ": ")
	}
	if f.Key != "" {
		b.WriteString(f.Key)
		if f.Value != "" {
			fmt.Fprintf(&b, " = %s", shownValue(f.Value))
		}
		b.WriteString(": ")
	}
	b.WriteString(f.Problem)
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	return b.String()
}

// Faults are all of them. As an error it is a text of several lines, one per fault.
type Faults []Fault

// Error lists all faults.
func (fs Faults) Error() string {
	lines := make([]string, 0, len(fs)+1)
	if len(fs) == 1 {
		lines = append(lines, "configuration refused:")
	} else {
		lines = append(lines, fmt.Sprintf("configuration refused, %d faults:", len(fs)))
	}
	for _, f := range fs {
		lines = append(lines, "  "+f.String())
	}
	return strings.Join(lines, "\n")
}

func prefix(w Where, key string) string {
	p := ""
	if w.File != "" {
		p = w.String() + ": "
	}
	if key != "" {
		p += key + ": "
	}
	return p
}

// maxShown bounds how much of a person's own text is given back, in bytes.
const maxShown = 120

func shownValue(value string) string {
	if value == hidden {
		return value
	}
	if len(value) > maxShown {
		value = value[:maxShown] + "..."
	}
	return strconv.Quote(value)
}

// shownKey is a key fit for a text: what is no name of a property is cut off, since it may be a
// value that lost its "=".
func shownKey(key string) string {
	for i := 0; i < len(key); i++ {
		if !nameByte(key[i]) || i == maxShown {
			return key[:i] + "..."
		}
	}
	return key
}

func nameByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' ||
		b == '.' || b == '_' || b == '-' || b == '*'
}
