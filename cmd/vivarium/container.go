package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/vivariumdb/vivarium/internal/printable"
)

// zkServerScript is the name of ZooKeeper's script. Whoever calls this program by it speaks the
// script's dialect.
const zkServerScript = "zkServer.sh"

func newContainer() *cobra.Command {
	return &cobra.Command{
		Use:   "container [COMMAND]",
		Short: "Run as a container's entrypoint, as ZooKeeper's official image does",
		Long: "Run as the entrypoint of a container, with the environment and the paths of\n" +
			"ZooKeeper's official image.\n\n" +
			"COMMAND is one of that image's (zkServer.sh start-foreground, the default;\n" +
			"zkServer.sh status or version) or one of vivarium's. Before a server starts,\n" +
			"$ZOO_CONF_DIR/zoo.cfg is written from ZOO_TICK_TIME, ZOO_SERVERS, ZOO_CFG_EXTRA\n" +
			"and the others, and $ZOO_DATA_DIR/myid from ZOO_MY_ID, each unless it is there. As\n" +
			"root the directories are given to user 1000, who then runs the server.",
		Example: "  docker run -p 2181:2181 -v data:/data -v log:/datalog vivarium\n" +
			"  docker run -e ZOO_CFG_EXTRA='maxCnxns=1000' vivarium zkServer.sh start-foreground",
		DisableFlagParsing: true, // they are COMMAND's
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
				return cmd.Help()
			}
			return runContainer(cmd, args)
		},
	}
}

// runContainer does what the container was started for.
func runContainer(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		args = []string{zkServerScript, "start-foreground"}
	}
	if args[0] == "vivarium" {
		args = args[1:]
	}
	image := imageEnvironment(os.Getenv)
	if len(args) > 0 && args[0] == zkServerScript {
		return runScript(cmd, image, args[1:])
	}
	if len(args) > 0 && args[0] == "serve" {
		// What is only judged needs no other user.
		if err := image.setUp(!slices.Contains(args, "--check")); err != nil {
			return err
		}
	}
	return again(cmd, args...)
}

// runScript does what zkServer.sh does, as far as it makes sense where nothing runs in the
// background.
func runScript(cmd *cobra.Command, image imageEnvironment, args []string) error {
	dir := configDirectory()
	if len(args) >= 2 && args[0] == "--config" {
		dir, args = args[1], args[2:]
	}
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	file := filepath.Join(dir, configName())
	if len(args) > 1 { // a name in the directory, or a path
		if file = args[1]; filepath.Base(file) == file {
			file = filepath.Join(dir, file)
		}
	}
	if err := image.joinFlags(); err != nil {
		return err
	}
	switch verb {
	case "start-foreground", "start":
		if err := image.setUp(true); err != nil {
			return err
		}
		return again(cmd, "serve", "--config", file)
	case "status":
		return scriptStatus(cmd, file)
	case "version":
		return again(cmd, "version")
	case "print-cmd":
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "vivarium serve --config %q\n", file)
		return err
	case "stop", "restart":
		return usageError{fmt.Errorf("%s %s: the server ends with its container: stop or restart "+
			"that", zkServerScript, verb)}
	}
	return usageError{fmt.Errorf("%s %s: start-foreground, start, status, version and print-cmd "+
		"are known, after --config DIRECTORY if need be", zkServerScript, verb)}
}

// scriptStatus prints what scripts look for in the output of zkServer.sh status.
func scriptStatus(cmd *cobra.Command, file string) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), statusTimeout)
	defer cancel()
	f := statusFlags{config: file, timeout: statusTimeout, readFile: os.ReadFile}
	r, err := f.ask(ctx)
	if err == nil && !r.Serving {
		err = errors.New(r.Error)
	}
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "Error contacting service. It is probably not running.")
		return fmt.Errorf("%s: %v", file, err) // code 1, whatever it is, as the script
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "Mode: %s\n", printable.Text(r.Mode))
	return err
}

// again runs the program's own command line args.
func again(cmd *cobra.Command, args ...string) error {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(cmd.OutOrStdout())
	root.SetErr(cmd.ErrOrStderr())
	return root.ExecuteContext(cmd.Context())
}

// configFile is the configuration file of serve and status: what the flag says, or that in the
// directory which ZOOCFGDIR names, as for ZooKeeper's scripts. "" is none.
func configFile(flag string) string {
	if flag == "" && os.Getenv("ZOOCFGDIR") != "" {
		return filepath.Join(configDirectory(), configName())
	}
	return flag
}

func configDirectory() string {
	return cmp.Or(os.Getenv("ZOOCFGDIR"), imageEnvironment(os.Getenv).get("ZOO_CONF_DIR"))
}

func configName() string { return cmp.Or(os.Getenv("ZOOCFG"), "zoo.cfg") }
