package main

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/vivariumdb/vivarium/server"
)

// release is set by the linker for a release: -ldflags "-X main.release=1.2.3".
var release = "0.1.0-dev"

// buildVersion is what the Go toolchain noted about this build.
func buildVersion() server.Version {
	v := server.Version{Release: release}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				v.Built = t.UTC()
			}
		}
	}
	return v
}

func newVersion() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which version this is, and which ZooKeeper it serves",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := buildVersion()
			switch output {
			default:
				return usageError{fmt.Errorf("--output %q: text or json is allowed", output)}
			case "text":
			case "json":
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{
					"release": v.Release, "commit": v.Commit, "built": builtText(v),
					"zookeeper": server.ZooKeeperRelease})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(),
				"vivarium %s (commit %s, built %s), serves the protocol of ZooKeeper %s\n",
				v.Release, orUnknown(v.Commit), orUnknown(builtText(v)), server.ZooKeeperRelease)
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func builtText(v server.Version) string {
	if v.Built.IsZero() {
		return ""
	}
	return v.Built.Format("2006-01-02 15:04 UTC")
}
