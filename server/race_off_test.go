//go:build !race

package server_test

// raceFlag builds the command like the test.
var raceFlag []string
