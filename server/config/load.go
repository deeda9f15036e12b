package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Sources is everything a configuration can come from. All of it is optional.
type Sources struct {
	// File is zoo.cfg; "" starts from Defaults.
	File string
	// ReadFile reads File, the dynamic file and myid; nil is os.ReadFile. A missing file is
	// recognised by fs.ErrNotExist.
	ReadFile func(name string) ([]byte, error)
	// Properties are name=value, as after -D, in the order given; the last of a name counts.
	Properties []string
	// JVMFlags is the text of the environment variable SERVER_JVMFLAGS; Properties count more.
	JVMFlags string
}

// propertiesSource is the place that Sources.Properties are said to come from.
const propertiesSource = "-D"

// Load reads all sources and returns the configuration, ready to use, with what to log once. The
// error is of type Faults and holds every fault found; then the configuration is nil, and the
// report still says what was noticed.
//
// What counts if a key is set twice, as in ZooKeeper (QuorumPeerConfig sets system properties
// from the file after the command line did): the file before -D, -D before SERVER_JVMFLAGS, and
// of the same source the last one. Only properties without the prefix zookeeper. (jute.maxbuffer)
// are the other way round, -D before the file: ZooKeeper does not read them from the file at all.
func Load(s Sources) (*Config, *Report, error) {
	if s.ReadFile == nil {
		s.ReadFile = os.ReadFile
	}
	l := &loader{
		sources: s, index: newIndex(), config: &Config{File: s.File},
		taken: map[string]*taken{},
	}
	if s.File == "" {
		l.config.WithDefaults()
	}
	if l.readFile() {
		l.readProperties()
		l.readDynamicFile()
		l.apply()
		l.finish()
	}
	slices.SortStableFunc(l.notices, func(a, b Notice) int { return l.compare(a.Where, b.Where) })
	slices.SortStableFunc(l.faults, func(a, b Fault) int { return l.compare(a.Where, b.Where) })
	report := &Report{Notices: l.notices}
	if len(l.faults) > 0 {
		return nil, report, l.faults
	}
	return l.config, report, nil
}

// compare orders places as a person meets them: the file by its lines, other files, -D, flags.
func (l *loader) compare(a, b Where) int {
	source := func(w Where) int {
		switch w.File {
		case l.sources.File:
			return 0
		case propertiesSource:
			return 2
		case jvmFlagsSource:
			return 3
		}
		return 1
	}
	return cmp.Or(cmp.Compare(source(a), source(b)), cmp.Compare(a.Line, b.Line))
}

// loader is one run of Load.
type loader struct {
	sources Sources
	index   *index
	config  *Config
	notices []Notice
	faults  Faults

	// taken holds the setting that counts for each name, in the order of order. A name is the
	// key's own, or for a family (server.*) the one written.
	taken map[string]*taken
	order []string
	// servers are the lines of the ensemble.
	servers []serverLine
	// hasMyID is true once a myid file was read.
	hasMyID bool
}

// taken is a setting that counts, unless a later one of the same name displaces it.
type taken struct {
	setting
	key *Key
	// rank is the source's weight: a setting displaces those of its own rank and below.
	rank int
}

// The ranks of sources, from least to most.
const (
	rankJVMFlagsAlias = iota
	rankPropertyAlias
	rankUnprefixedFile
	rankJVMFlags
	rankProperty
	rankFile
)

func (l *loader) notice(kind NoticeKind, s setting, format string, args ...any) {
	l.notices = append(l.notices, Notice{
		Kind: kind, Where: s.where, Key: shownKey(s.key), Text: fmt.Sprintf(format, args...),
	})
}

func (l *loader) fault(s setting, k *Key, problem, remedy string) {
	value := s.value
	if k != nil && k.Kind == KindSecret {
		value = hidden
	}
	l.faults = append(l.faults, Fault{
		Where: s.where, Key: shownKey(s.key), Value: value, Problem: problem, Remedy: remedy,
	})
}

// readText reads a file that must be there, and records the fault if it is not.
func (l *loader) readText(name string, s setting) ([]byte, bool) {
	text, err := l.sources.ReadFile(name)
	if err == nil {
		return text, true
	}
	cause := err
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		cause = pathError.Err
	}
	if s.key == "" {
		s.where = Where{File: name}
	}
	l.faults = append(l.faults, Fault{Where: s.where, Key: s.key, Value: s.value,
		Problem: "cannot be read: " + cause.Error()})
	return nil, false
}

// readFile takes zoo.cfg. It is false if there is no reading it, and then nothing else is worth
// a word.
func (l *loader) readFile() bool {
	if l.sources.File == "" {
		return true
	}
	text, ok := l.readText(l.sources.File, setting{})
	if !ok {
		return false
	}
	settings, faults := parseProperties(l.sources.File, text)
	l.faults = append(l.faults, faults...)
	for _, s := range settings {
		k := l.index.inFile(s.key)
		switch {
		case k == nil:
			l.unknown(s, s.key, l.index.fileNames())
		case k.Place == Unprefixed:
			l.notice(Advice, s, "ZooKeeper reads it only as -D%s and ignores it here; this server "+
				"takes it", k.Name)
			l.take(s, k, rankUnprefixedFile)
		default:
			l.take(s, k, rankFile)
		}
	}
	return true
}

// readProperties takes -D and the environment's flags.
func (l *loader) readProperties() {
	flags, notices, faults := parseJVMFlags(l.sources.JVMFlags)
	l.notices = append(l.notices, notices...)
	l.faults = append(l.faults, faults...)
	for _, s := range flags {
		l.takeProperty(s, rankJVMFlags, rankJVMFlagsAlias)
	}
	for _, text := range l.sources.Properties {
		s := propertySetting(strings.TrimPrefix(text, "-D"), Where{File: propertiesSource})
		l.takeProperty(s, rankProperty, rankPropertyAlias)
	}
}

func (l *loader) takeProperty(s setting, rank, aliasRank int) {
	k, readHere := l.index.asProperty(s.key)
	switch {
	case k == nil && s.key == "java.security.auth.login.config":
		l.notice(WithoutEffect, s, "no effect: %s", whyNoSASL)
	case k == nil && javaProperty(s.key):
		l.notice(JVMFlags, s, "no effect, this server needs no Java")
	case k == nil:
		l.unknown(s, s.key, l.index.propertyNames())
	case !readHere && k.Place == Unprefixed:
		l.notice(WithoutEffect, s, "no effect, as in ZooKeeper: write -D%s", k.Name)
	case !readHere:
		l.notice(WithoutEffect, s, "no effect, as in ZooKeeper: it is read only from the "+
			"configuration file, as %s", k.Name)
	case k.Property() != s.key && !strings.HasSuffix(k.Name, "*"):
		l.take(s, k, aliasRank)
	default:
		l.take(s, k, rank)
	}
}

// javaProperty tells if a property belongs to Java or to its libraries.
func javaProperty(name string) bool {
	for _, stem := range []string{"java.", "javax.", "jdk.", "sun.", "com.sun.", "user.", "file.",
		"log4j", "logback.", "org.slf4j.", "io.netty.", "org.jboss.", "networkaddress.", "os."} {
		if strings.HasPrefix(name, stem) {
			return true
		}
	}
	return false
}

// take lets a setting count for its name, or says that it does not.
func (l *loader) take(s setting, k *Key, rank int) {
	name := k.Name
	if strings.HasSuffix(name, "*") {
		name = strings.TrimPrefix(s.key, "zookeeper.")
	}
	before := l.taken[name]
	switch {
	case before == nil:
		l.order = append(l.order, name)
	case rank < before.rank:
		l.notice(Overridden, s, "does not count, %s does", before.where)
		return
	default:
		l.notice(Overridden, before.setting, "does not count, %s does", s.where)
	}
	l.taken[name] = &taken{setting: s, key: k, rank: rank}
}

// readDynamicFile reads the file that dynamicConfigFile names. Nothing but the ensemble's lines
// may stand in it, and then those may not stand in zoo.cfg.
func (l *loader) readDynamicFile() {
	pointer := l.taken["dynamicConfigFile"]
	if pointer == nil || pointer.value == "" {
		return
	}
	for _, name := range l.order {
		if t := l.taken[name]; t.key.Place == InDynamicFile && t.key.Name != "version" {
			l.fault(t.setting, t.key, "must not stand here when there is a dynamicConfigFile",
				"move the line to "+pointer.value)
		}
	}
	text, _ := l.readText(pointer.value, pointer.setting)
	settings, faults := parseProperties(pointer.value, text)
	l.faults = append(l.faults, faults...)
	for _, s := range settings {
		k := l.index.inFile(s.key)
		if k == nil || k.Place != InDynamicFile {
			l.fault(setting{key: s.key, where: s.where}, nil,
				"does not belong in the dynamic file; allowed: server.N, group.N, weight.N, "+
					"version",
				"move the line to "+l.sources.File)
			continue
		}
		l.take(s, k, rankFile)
	}
}

// apply judges each setting that counts.
func (l *loader) apply() {
	for _, name := range l.order {
		l.applyOne(l.taken[name])
	}
}

func (l *loader) applyOne(t *taken) {
	k := t.key
	v, err := parseValue(k, t.value)
	switch {
	case k.Status == Refused && k.isFine(t.value):
	case k.Status == Refused:
		l.fault(t.setting, k, "refused: "+k.Why, k.Remedy)
	case err != nil:
		l.fault(t.setting, k, err.Error(), "")
	case k.Status == NoEffect && !k.isFine(t.value):
		l.notice(WithoutEffect, t.setting, "no effect: %s", k.Why)
	case k.Kind == KindServer:
		l.takeServer(t.setting)
	case k.Status == Works:
		k.set(l.config, v)
	}
	if err == nil {
		l.warn(t, v)
	}
}

// warn names settings that work and endanger data or access, and paths that depend on where the
// server is started.
func (l *loader) warn(t *taken, v value) {
	switch t.key.Name {
	case "forceSync":
		if !v.yes {
			l.notice(Unsafe, t.setting, "unsafe: writes are acknowledged before they are on the "+
				"disk; a power failure loses them")
		}
	case "skipACL":
		if v.yes {
			l.notice(Unsafe, t.setting, "unsafe: no ACL is checked, every client may do everything")
		}
	case "DigestAuthenticationProvider.superDigest":
		if !strings.Contains(v.text, ":") {
			l.notice(Advice, t.setting, "not of the form super:<base64 of the hash>, so "+
				"nobody can be super")
		}
	case "dataDir", "dataLogDir":
		if !filepath.IsAbs(t.value) && !strings.HasPrefix(t.value, "./") {
			l.notice(Advice, t.setting, "the path is relative to the directory that the server is "+
				"started in; write ./ before it if that is meant")
		}
	case "4lw.commands.whitelist":
		for _, word := range v.list {
			if word != "*" && !knownWord(word) {
				l.notice(Advice, t.setting, "%s is no four-letter word", strconv.Quote(word))
			}
		}
	}
}

// knownWord tells if it is one of the words of ZooKeeper 3.9.
func knownWord(word string) bool {
	const words = " conf cons crst dirs dump envi gtmk hash isro mntr ruok srst srvr stat stmk " +
		"wchc wchp wchs "
	return len(word) == 4 && strings.Contains(words, " "+word+" ")
}
