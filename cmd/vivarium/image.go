package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// imageEnvironment looks up the environment of a container that was started as one of ZooKeeper's
// official image.
type imageEnvironment func(name string) string

// imageDefaults are what that image sets itself. deploy/container/Dockerfile sets the same.
var imageDefaults = map[string]string{
	"ZOO_CONF_DIR": "/conf", "ZOO_DATA_DIR": "/data", "ZOO_DATA_LOG_DIR": "/datalog",
	"ZOO_LOG_DIR": "/logs", "ZOO_TICK_TIME": "2000", "ZOO_INIT_LIMIT": "5",
	"ZOO_SYNC_LIMIT": "2", "ZOO_AUTOPURGE_PURGEINTERVAL": "0",
	"ZOO_AUTOPURGE_SNAPRETAINCOUNT": "3", "ZOO_MAX_CLIENT_CNXNS": "60",
	"ZOO_STANDALONE_ENABLED": "true", "ZOO_ADMINSERVER_ENABLED": "true",
	"ZOO_SERVERS": "server.1=localhost:2888:3888;2181", "ZOO_MY_ID": "1",
}

// get returns a setting, or what it is without one.
func (e imageEnvironment) get(name string) string { return cmp.Or(e(name), imageDefaults[name]) }

// imageKeys are the lines of zoo.cfg that have a variable each.
var imageKeys = []struct{ key, name string }{
	{"dataDir", "ZOO_DATA_DIR"}, {"dataLogDir", "ZOO_DATA_LOG_DIR"},
	{"tickTime", "ZOO_TICK_TIME"}, {"initLimit", "ZOO_INIT_LIMIT"},
	{"syncLimit", "ZOO_SYNC_LIMIT"},
	{"autopurge.snapRetainCount", "ZOO_AUTOPURGE_SNAPRETAINCOUNT"},
	{"autopurge.purgeInterval", "ZOO_AUTOPURGE_PURGEINTERVAL"},
	{"maxClientCnxns", "ZOO_MAX_CLIENT_CNXNS"},
	{"standaloneEnabled", "ZOO_STANDALONE_ENABLED"},
	{"admin.enableServer", "ZOO_ADMINSERVER_ENABLED"},
}

// configText is the zoo.cfg that the variables say.
func (e imageEnvironment) configText() string {
	var b strings.Builder
	for _, k := range imageKeys {
		fmt.Fprintf(&b, "%s=%s\n", k.key, e.get(k.name))
	}
	for _, line := range strings.Fields(e.get("ZOO_SERVERS")) {
		fmt.Fprintln(&b, line)
	}
	if words := e("ZOO_4LW_COMMANDS_WHITELIST"); words != "" {
		fmt.Fprintf(&b, "4lw.commands.whitelist=%s\n", words)
	}
	for _, line := range strings.Fields(e("ZOO_CFG_EXTRA")) {
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

// flags are Java's as zkServer.sh puts them together.
func (e imageEnvironment) flags() string {
	flags := []string{e("SERVER_JVMFLAGS"), e("JVMFLAGS")}
	if e("ZOO_DATADIR_AUTOCREATE_DISABLE") != "" {
		flags = append([]string{"-Dzookeeper.datadir.autocreate=false"}, flags...)
	}
	return strings.TrimSpace(strings.Join(flags, " "))
}

// joinFlags puts JVMFLAGS behind those of the server, as the script does, for all that follows.
func (e imageEnvironment) joinFlags() error {
	// Once: what is joined already has no second part.
	return errors.Join(os.Setenv("SERVER_JVMFLAGS", e.flags()), os.Unsetenv("JVMFLAGS"),
		os.Unsetenv("ZOO_DATADIR_AUTOCREATE_DISABLE"))
}

// setUp does what comes before a server, however that is started.
func (e imageEnvironment) setUp(starts bool) error {
	if err := e.joinFlags(); err != nil {
		return err
	}
	if starts {
		if err := e.dropRoot(); err != nil {
			return err
		}
	}
	return e.prepare()
}

// prepare writes the configuration and the server's number, each unless it is there.
func (e imageEnvironment) prepare() error {
	if id := e.get("ZOO_MY_ID"); strings.Trim(id, "0123456789") != "" {
		return usageError{fmt.Errorf("ZOO_MY_ID=%q: want a number", id)}
	}
	for _, file := range []struct{ name, text string }{
		{filepath.Join(e.get("ZOO_CONF_DIR"), "zoo.cfg"), e.configText()},
		{filepath.Join(e.get("ZOO_DATA_DIR"), "myid"), e.get("ZOO_MY_ID") + "\n"},
	} {
		if err := writeIfAbsent(file.name, file.text); err != nil {
			return fmt.Errorf("write %s: %w%s", file.name, err, e.hint(err, file.name))
		}
	}
	return nil
}

// writeIfAbsent makes a file, as a whole, unless there is one.
func writeIfAbsent(name, text string) error {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err := writeFile(name, func(file *os.File) error {
		_, err := file.WriteString(text)
		return err
	})
	return err
}

// hint says what to do about a file that cannot be written in a container.
func (e imageEnvironment) hint(err error, name string) string {
	dir := filepath.Dir(name)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf(" (%s must belong to user %d: chown it, or start the container once as "+
			"root)", dir, os.Getuid())
	case errors.Is(err, syscall.EROFS):
		return fmt.Sprintf(" (mount something that can be written at %s, or a file at %s)", dir,
			name)
	}
	return ""
}

// imageUser is the user and the group that the official image runs a server as: the volumes of
// its users belong to it.
const imageUser = 1000

// dropRoot gives the directories to that user and becomes it, if this is root.
func (e imageEnvironment) dropRoot() error {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"ZOO_DATA_DIR", "ZOO_DATA_LOG_DIR", "ZOO_LOG_DIR"} {
		if err := giveAway(e.get(name)); err != nil {
			return fmt.Errorf("give %s to user %d: %w", e.get(name), imageUser, err)
		}
	}
	err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(imageUser),
		syscall.Setuid(imageUser))
	if err != nil {
		return fmt.Errorf("become user %d: %w", imageUser, err)
	}
	return nil
}

// giveAway changes the owner of what is below dir and is another's.
func giveAway(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if ok && owner.Uid == imageUser && owner.Gid == imageUser {
			return nil
		}
		return os.Lchown(path, imageUser, imageUser)
	})
}
