package main

import (
	"os"
	"syscall"
)

// signals are those that the scripts send.
var signals = map[string]os.Signal{"TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL,
	"INT": syscall.SIGINT}
