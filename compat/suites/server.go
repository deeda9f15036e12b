package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The servers a suite can run against.
const (
	zooKeeper = "zookeeper"
	vivarium  = "vivarium"
)

// A Server is a kind of server under test. The suites start as many of it as they like, through
// compat/servers/zkServer.sh, which reads Env.
type Server struct {
	Name, Version string
	Env           []string
}

// prepareServers fetches or builds what the named servers need.
func prepareServers(ctx context.Context, c Cache, names []string, out io.Writer) ([]Server, error) {
	var servers []Server
	for _, name := range names {
		fmt.Fprintf(out, "setting up %s\n", name)
		prepare := prepareZooKeeper
		if name == vivarium {
			prepare = prepareVivarium
		}
		s, err := prepare(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("set up %s: %w", name, err)
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// prepareZooKeeper returns the real server.
func prepareZooKeeper(ctx context.Context, c Cache) (Server, error) {
	j, err := fetchJars(ctx, c)
	if err != nil {
		return Server{}, err
	}
	return Server{
		Name:    zooKeeper,
		Version: "ZooKeeper " + j.Version,
		Env: []string{"COMPAT_SERVER=" + zooKeeper, "COMPAT_JAVA=" + j.Java,
			"COMPAT_CLASSPATH=" + j.Classpath},
	}, nil
}

// jars are ZooKeeper as released, server and clients.
type jars struct {
	Java, Classpath string // the command, and all jars of a distribution
	Version         string
}

// fetchJars copies the jars that compat/zookeeper/pom.xml names into the cache.
func fetchJars(ctx context.Context, c Cache) (jars, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return jars{}, fmt.Errorf("%w: ZooKeeper needs Java 8 or newer; "+
			"kazoo and gozk with -server vivarium run without", err)
	}
	pom := c.Source("zookeeper", "pom.xml")
	text, err := os.ReadFile(pom)
	if err != nil {
		return jars{}, err
	}
	folder := c.Path("zookeeper")
	err = c.once(folder, string(text), func(dir string) error {
		if _, err := exec.LookPath("mvn"); err != nil {
			return fmt.Errorf("%w: Maven fetches ZooKeeper; "+
				"kazoo and gozk with -server vivarium run without", err)
		}
		_, err := process{Args: []string{"mvn", "-B", "-f", pom,
			"dependency:copy-dependencies", "-DoutputDirectory=" + dir}}.Output(ctx)
		return err
	})
	if err != nil {
		return jars{}, err
	}
	found, err := filepath.Glob(filepath.Join(folder, "zookeeper-[0-9]*.jar"))
	if err != nil || len(found) != 1 {
		return jars{}, fmt.Errorf("want one zookeeper-<version>.jar in %s, found %v", folder, found)
	}
	version := strings.TrimSuffix(filepath.Base(found[0]), ".jar")
	return jars{
		Java:      java,
		Classpath: filepath.Join(folder, "*"),
		Version:   strings.TrimPrefix(version, "zookeeper-"),
	}, nil
}

// prepareVivarium builds the server from this tree.
func prepareVivarium(ctx context.Context, c Cache) (Server, error) {
	binary := c.Path("vivarium")
	build := process{Dir: c.root, Args: []string{"go", "build", "-o", binary, "./cmd/vivarium"}}
	if _, err := build.Output(ctx); err != nil {
		return Server{}, err
	}
	version := "Vivarium"
	// Only a label: sources without a repository are fine.
	describe := process{Dir: c.root, Args: []string{"git", "describe", "--always", "--dirty"}}
	if commit, err := describe.Output(ctx); err == nil {
		version += " " + strings.TrimSpace(commit)
	}
	return Server{
		Name:    vivarium,
		Version: version,
		Env:     []string{"COMPAT_SERVER=" + vivarium, "COMPAT_VIVARIUM=" + binary},
	}, nil
}
