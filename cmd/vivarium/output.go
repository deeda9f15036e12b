package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// outputFlag is how a tool's summary is printed: text or json.
type outputFlag string

func (o *outputFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP((*string)(o), "output", "o", "text",
		"format of the summary: text or json")
}

func (o outputFlag) check() error {
	if o != "text" && o != "json" {
		return usageError{fmt.Errorf("--output %q: text or json is allowed", string(o))}
	}
	return nil
}

// print prints v as JSON, or the text that it has.
func (o outputFlag) print(w io.Writer, v fmt.Stringer) error {
	if o == "json" {
		return json.NewEncoder(w).Encode(v)
	}
	_, err := fmt.Fprintln(w, v)
	return err
}

// required refuses flags that were left out.
func required(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f.Value.String() == "" {
			return usageError{fmt.Errorf("--%s is missing: %s; see %s --help", name, f.Usage,
				cmd.CommandPath())}
		}
	}
	return nil
}

// notEmpty refuses flags that were given with nothing, as a script does whose variable is not
// set: the default would be another file or server than the one that is meant.
func notEmpty(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return usageError{fmt.Errorf("--%s is empty: %s; name one, or leave the flag out", name,
				f.Usage)}
		}
	}
	return nil
}

// progress returns what tells people on w how far a tool is.
func progress(w io.Writer, quiet bool) func(format string, args ...any) {
	if quiet {
		return func(string, ...any) {}
	}
	return func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
}
