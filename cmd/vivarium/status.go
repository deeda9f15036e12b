package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
)

// statusTimeout is how long it waits for answers, if nothing else is said.
const statusTimeout = 5 * time.Second

type statusFlags struct {
	server, config, data string
	properties           []string
	timeout              time.Duration
	output               outputFlag

	readFile func(string) ([]byte, error) // os.ReadFile
}

func newStatus() *cobra.Command {
	f := statusFlags{readFile: os.ReadFile}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether a server serves, and how it is",
		Long: "Say whether a server serves, and how it is.\n\n" +
			"Without --server the server is found as serve would start it: by --config, by\n" +
			"$ZOOCFGDIR, or in ./data. It is asked by the socket in its data directory, which\n" +
			"its own user and root reach, and which always answers. If nobody listens there and\n" +
			"there is a configuration file, or with --server, the four-letter words srvr and\n" +
			"mntr are asked at the client port; a ZooKeeper answers them too.\n\n" +
			"Exit codes: 0 it serves, 1 it does not or nobody answers, 2 usage or configuration.",
		Example: "  vivarium status\n" +
			"  vivarium status --config /etc/zoo.cfg -o json\n" +
			"  vivarium status --server zk1.example:2181",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return showStatus(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.server, "server", "s", "", "ask the server at `host:port`")
	flags.StringVarP(&f.config, "config", "c", "", "configuration `file` of the server (zoo.cfg)")
	flags.StringArrayVarP(&f.properties, "define", "D", nil,
		"Java system property of the server, `name=value`; may be repeated")
	flags.StringVar(&f.data, "data-dir", "", "dataDir of the server, a `directory` "+
		"(by --config, else ./data)")
	flags.DurationVar(&f.timeout, "timeout", statusTimeout, "how long to wait for answers")
	f.output.add(cmd)
	return cmd
}

func showStatus(cmd *cobra.Command, f statusFlags) error {
	err := errors.Join(f.output.check(), notEmpty(cmd, "config", "data-dir", "server"))
	if err != nil {
		return err
	}
	if f.server != "" && f.config+f.data != "" || f.config != "" && f.data != "" {
		return usageError{errors.New("--server, --config and --data-dir each name the server: " +
			"leave one of them; see vivarium status --help")}
	}
	if len(f.properties) > 0 && f.server+f.data != "" {
		return usageError{errors.New("-D is a part of a configuration, and --server and " +
			"--data-dir read none: leave it out; see vivarium status --help")}
	}
	if f.timeout <= 0 {
		return usageError{fmt.Errorf("--timeout %v: want more than 0", f.timeout)}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	r, err := f.ask(ctx)
	var usage usageError
	if errors.As(err, &usage) {
		return err
	}
	if err != nil {
		if f.output == "json" {
			_ = f.output.print(cmd.OutOrStdout(), &statusReport{Address: f.server,
				Error: err.Error()})
		}
		return fmt.Errorf("not serving: %w", err)
	}
	if err := f.output.print(cmd.OutOrStdout(), r); err != nil {
		return err
	}
	if !r.Serving {
		return fmt.Errorf("not serving: %s", r.Error)
	}
	return nil
}

// ask finds the server and asks it.
func (f *statusFlags) ask(ctx context.Context) (*statusReport, error) {
	if f.server != "" {
		if _, port, err := net.SplitHostPort(f.server); err != nil || port == "" {
			return nil, usageError{fmt.Errorf("--server %q: want host:port, as 127.0.0.1:2181",
				f.server)}
		}
		return askServer(ctx, f.server)
	}
	data, words := f.data, ""
	if data == "" {
		file := configFile(f.config)
		cfg, _, err := config.Load(config.Sources{File: file, Properties: f.properties,
			JVMFlags: os.Getenv("SERVER_JVMFLAGS"), ReadFile: f.readPublic})
		if err != nil {
			return nil, usageError{err}
		}
		data = cfg.DataDir
		if file != "" {
			words = reachable(cfg.ClientAddress)
		}
	}
	st, err := server.AskStatus(data, f.timeout)
	if err == nil {
		return reportOf(st), nil
	}
	if words == "" {
		if errors.Is(err, server.ErrNotRunning) {
			return nil, fmt.Errorf("%w (--config, --data-dir or --server say where else to look)",
				err)
		}
		return nil, err
	}
	// A ZooKeeper's, or a server of another user.
	r, byWords := askServer(ctx, words)
	if byWords != nil {
		return nil, fmt.Errorf("%w; and %w", err, byWords)
	}
	return r, nil
}

// readPublic reads a file of the configuration. dataDir is its server's alone, so other users learn
// nothing of the myid in it; who asks how the server is needs no number of it.
func (f *statusFlags) readPublic(name string) ([]byte, error) {
	text, err := f.readFile(name)
	if errors.Is(err, fs.ErrPermission) && filepath.Base(name) == "myid" {
		return nil, fs.ErrNotExist
	}
	return text, err
}

// askServer asks by words, and says what to do about an error.
func askServer(ctx context.Context, addr string) (*statusReport, error) {
	r, err := statusByWords(ctx, addr)
	switch {
	case err == nil:
		return r, nil
	case errors.Is(err, errWordRefused):
		return nil, fmt.Errorf("%s: %w: add srvr and mntr to it, or ask on the server's machine "+
			"with --data-dir", addr, err)
	case errors.Is(err, errNotZooKeeper):
		return nil, fmt.Errorf("%s: %w: is that the client port?", addr, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("%s: %w (--timeout gives it longer)", addr, err)
	}
	return nil, fmt.Errorf("%s: %w", addr, err)
}

// reachable is where a server that listens on all interfaces can be reached from its machine.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
