package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// pictureSize is as large as documents show the page about a failure.
const pictureSize = "1280,800"

func newPicture() *cobra.Command {
	var chromium string
	c := &cobra.Command{Use: "picture PAGE FILE", Args: cobra.ExactArgs(2),
		Short: "draw the page about a failure (its index.html) into a PNG, with Chromium",
		RunE: func(c *cobra.Command, args []string) error {
			b, err := findBrowser(chromium)
			if err != nil {
				return err
			}
			return b.picture(c.Context(), args[0], args[1])
		}}
	c.Flags().StringVar(&chromium, "chromium", "",
		"the browser; without it chromium or google-chrome of the PATH")
	return c
}

// browser is the path of a Chromium.
type browser string

var errNoBrowser = errors.New("no Chromium in the PATH: apt-get install chromium, " +
	"or name it with -chromium")

// findBrowser looks for a Chromium, called name if that is not empty.
func findBrowser(name string) (browser, error) {
	names := []string{name}
	if name == "" {
		names = []string{"chromium", "chromium-browser", "google-chrome"}
	}
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return browser(path), nil
		}
	}
	if name != "" {
		return "", fmt.Errorf("find browser: there is no %s", name)
	}
	return "", errNoBrowser
}

// open shows a page without a screen, with more flags, and returns what the browser prints. Time
// in the page is virtual: its scripts have ended when open returns.
func (b browser) open(ctx context.Context, page string, more ...string) ([]byte, error) {
	page, err := filepath.Abs(page)
	if err != nil {
		return nil, fmt.Errorf("open page: %w", err)
	}
	profile, err := os.MkdirTemp("", "vivarium-browser-")
	if err != nil {
		return nil, fmt.Errorf("open page: %w", err)
	}
	defer func() { _ = os.RemoveAll(profile) }() // scratch
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--hide-scrollbars", "--virtual-time-budget=20000",
		"--user-data-dir=" + profile}, more...)
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, string(b), append(args, "file://"+page)...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("open page: %s: %w\n%s", b, err, said.Bytes())
	}
	return out, nil
}

// picture draws a page into a file.
func (b browser) picture(ctx context.Context, page, file string) error {
	if _, err := os.Stat(page); err != nil { // Chromium would draw that it is not there
		return fmt.Errorf("draw page: %w", err)
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("draw page: %w", err)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("draw page: %w", err)
	}
	if _, err := b.open(ctx, page, "--window-size="+pictureSize, "--screenshot="+file); err != nil {
		return err
	}
	if _, err := os.Stat(file); err != nil { // it says so in its own words only, and exits with 0
		return fmt.Errorf("draw page: %s has written nothing: %w", b, err)
	}
	return nil
}
