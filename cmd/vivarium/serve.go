package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/vivariumdb/vivarium/replication/store"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
)

type serveFlags struct {
	config     string
	properties []string
	check      bool
	output     string
	verbose    bool
	profile    string
}

func newServe() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server in the foreground",
		Long: "Run a server in the foreground until it gets SIGTERM or SIGINT.\n\n" +
			"Without --config the data lies in ./data and clients connect to 127.0.0.1:2181.\n" +
			"With it, ZooKeeper's own zoo.cfg is read; docs/CONFIGURATION.md lists every key.\n" +
			"ZOOCFGDIR names the directory of a zoo.cfg if --config names no file.\n" +
			"SERVER_JVMFLAGS is read for -Dname=value, as zkServer.sh does.\n" +
			"systemd is told when it serves and that it lives (Type=notify, WatchdogSec).",
		Example: "  vivarium serve\n" +
			"  vivarium serve --config zoo.cfg -D zookeeper.4lw.commands.whitelist='*'\n" +
			"  vivarium serve --config zoo.cfg --check",
		Args: noArguments,
		RunE: untilSignal(func(cmd *cobra.Command, _ []string) error {
			return serve(cmd, f)
		}),
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.config, "config", "c", "", "configuration `file` (zoo.cfg)")
	flags.StringArrayVarP(&f.properties, "define", "D", nil,
		"Java system property, `name=value`; may be repeated")
	flags.BoolVar(&f.check, "check", false, "judge the configuration and stop")
	flags.StringVarP(&f.output, "output", "o", "text", "format of the log: text or json")
	flags.BoolVarP(&f.verbose, "verbose", "v", false,
		"log four-letter words and the store as well")
	flags.StringVar(&f.profile, "profile", "", "loopback `address` for the runtime's profiles")
	// For those who work on the server, not for those who run it.
	cmd.Flag("profile").Hidden = true
	return cmd
}

func serve(cmd *cobra.Command, f serveFlags) error {
	if err := notEmpty(cmd, "config"); err != nil {
		return err
	}
	logger, err := newLogger(f)
	if err != nil {
		return err
	}
	cfg, report, err := config.Load(config.Sources{File: configFile(f.config),
		Properties: f.properties,
		JVMFlags:   os.Getenv("SERVER_JVMFLAGS")})
	if report != nil {
		for _, n := range report.Notices {
			logger.Warn("configuration", "kind", n.Kind.String(), "notice", n.String())
		}
	}
	if err != nil {
		return usageError{err}
	}
	if f.check {
		fmt.Fprintln(cmd.OutOrStdout(), "configuration is valid")
		return nil
	}
	if f.profile != "" {
		if err := serveProfiles(f.profile); err != nil {
			return err
		}
	}
	// Who reads the log may go away, as a pipe's other end does. That ends a program at its next
	// line, and would end a server in the midst of its work, without the stop that saves its state.
	signal.Ignore(syscall.SIGPIPE)
	limitMemory(logger)
	loadFast()
	s, err := server.New(server.Options{Config: cfg, Logger: logger, Version: buildVersion()})
	var foreign *store.ZooKeeperDataError
	if errors.As(err, &foreign) {
		return fmt.Errorf("%w; vivarium import --from %s --to DIRECTORY makes one of it", err,
			foreign.Dir)
	}
	if err != nil {
		return err
	}
	go tendMemory(cmd.Context(), s.Serving())
	ended := make(chan struct{})
	var told sync.WaitGroup
	told.Go(func() {
		newManager(logger).follow(cmd.Context(), s, s.Addr().String(), ended)
	})
	err = s.Run(cmd.Context())
	close(ended)
	told.Wait()
	return err
}

func newLogger(f serveFlags) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if f.verbose {
		options.Level = slog.LevelDebug
	}
	switch f.output {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	}
	return nil, usageError{fmt.Errorf("--output %q: text or json is allowed", f.output)}
}
