package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// finish judges what follows from several settings together, and fills the defaults.
func (l *loader) finish() {
	if l.sources.File != "" && l.config.DataDir == "" && l.taken["dataDir"] == nil {
		l.missing("dataDir", "the directory for the data")
	}
	l.readMyID()
	l.checkServers()
	l.checkAddress()
	if l.taken["readonlymode.enabled"].is("true") {
		l.allowWord("isro")
	}
	backlog := l.taken["clientPortListenBacklog"]
	if backlog != nil {
		l.config.ListenBacklog, _ = strconv.Atoi(backlog.value)
	}
	l.config.WithDefaults()
	l.allowWord("srvr")
	if len(l.faults) > 0 {
		return
	}
	var faults Faults
	if err := l.config.Validate(); errors.As(err, &faults) {
		for _, f := range faults {
			// A minimum that follows from tickTime may contradict a maximum that was set, and a
			// maximum that follows from it may be none.
			for _, key := range []string{"tickTime", "maxSessionTimeout", f.Key} {
				if t := l.taken[key]; t != nil {
					f.Where = t.where
				}
			}
			l.faults = append(l.faults, f)
		}
	}
}

// is tells if there is such a setting with that value.
func (t *taken) is(value string) bool {
	return t != nil && strings.EqualFold(t.value, value)
}

func (l *loader) missing(key, what string) {
	l.faults = append(l.faults, Fault{Where: Where{File: l.sources.File}, Key: key,
		Problem: "not set", Remedy: fmt.Sprintf("add a line %s=<%s>", key, what)})
}

// allowWord adds a four-letter word, unless it is allowed already.
func (l *loader) allowWord(word string) {
	words := l.config.FourLetterWords
	if words == nil {
		words = []string{"srvr"}
	}
	if !slices.Contains(words, "*") && !slices.Contains(words, word) {
		words = append(words, word)
	}
	l.config.FourLetterWords = words
}

// readMyID reads the server's number from the data directory, if there is one.
func (l *loader) readMyID() {
	if l.config.DataDir == "" {
		return
	}
	name := filepath.Join(l.config.DataDir, "myid")
	text, err := l.sources.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	where := Where{File: name, Line: 1}
	if err != nil {
		l.readText(name, setting{})
		return
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSpace(line)
	id, err := strconv.ParseInt(line, 10, 64)
	if err != nil || id < 0 {
		l.faults = append(l.faults, Fault{Where: where, Value: line, Key: "server id",
			Problem: "not a number; allowed: " + rangeText(0, math.MaxInt64)})
		return
	}
	l.config.ServerID = id
	l.hasMyID = true
}

// checkServers allows no ensemble, or one of this very server.
func (l *loader) checkServers() {
	standalone := !l.taken["standaloneEnabled"].is("false")
	switch {
	case len(l.servers) > 1:
		names := make([]string, len(l.servers))
		for i, s := range l.servers {
			names[i] = s.key
		}
		l.faults = append(l.faults, Fault{Where: l.servers[0].where, Key: strings.Join(names, ", "),
			Problem: "refused: " + whyNoEnsemble + ", and servers that start alone would each " +
				"hold data of their own",
			Remedy: "leave one server.N line, the server's own, or none"})
	case len(l.servers) == 1:
		l.checkSelf(l.servers[0])
	case !standalone && !l.anyServer():
		t := l.taken["standaloneEnabled"]
		l.fault(t.setting, t.key, "there is no server.N line",
			"remove it or write true: this version serves alone")
	}
}

// anyServer tells if there was a server.N line at all, right or wrong.
func (l *loader) anyServer() bool {
	for _, name := range l.order {
		if l.taken[name].key.Kind == KindServer {
			return true
		}
	}
	return false
}

// checkSelf judges the only line of the ensemble, which has to be the server's own.
func (l *loader) checkSelf(s serverLine) {
	if s.observer {
		l.fault(s.setting, nil, "an observer without a voter", "write participant, or nothing")
	}
	if l.hasMyID && l.config.ServerID != s.id {
		l.fault(s.setting, nil, fmt.Sprintf("it is the only server, and %s says that this one "+
			"is %d",
			filepath.Join(l.config.DataDir, "myid"), l.config.ServerID), "make the two agree")
	}
	if !l.hasMyID {
		l.config.ServerID = s.id
	}
	if s.clientAddress == "" {
		return
	}
	// As QuorumPeerConfig.setupClientPort: the line's client address counts, and may not
	// contradict the file's.
	host, port, _ := net.SplitHostPort(l.config.ClientAddress)
	lineHost, linePort, _ := net.SplitHostPort(s.clientAddress)
	static := l.taken["clientPort"] != nil
	if static && (port != linePort || host != "" && host != "0.0.0.0" && host != lineHost) {
		l.fault(s.setting, nil, "its client address is not the one of clientPort and "+
			"clientPortAddress, "+l.config.ClientAddress,
			"make the two agree, or remove clientPort")
		return
	}
	if lineHost == "0.0.0.0" {
		lineHost = ""
	}
	l.config.ClientAddress = net.JoinHostPort(lineHost, linePort)
}

// checkAddress wants a client port from a file.
func (l *loader) checkAddress() {
	if l.sources.File == "" || l.taken["clientPort"] != nil {
		return
	}
	for _, s := range l.servers {
		if s.clientAddress != "" {
			return
		}
	}
	if len(l.servers) > 1 || l.taken["secureClientPort"] != nil {
		return // another fault says it already
	}
	if t := l.taken["clientPortAddress"]; t != nil {
		l.fault(t.setting, t.key, "set, but clientPort is not", "add a line clientPort=2181")
		return
	}
	l.missing("clientPort", "a port, usually 2181")
}
