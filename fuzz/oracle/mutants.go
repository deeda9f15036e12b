package main

import "context"

// hunt is to find each planted difference.
func hunt(context.Context, options) error { return nil }
