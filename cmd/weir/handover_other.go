//go:build !unix

package main

import (
	"context"
	"os"
)

// notifyUpgrade asks for nothing: there is no signal to hand over by.
func notifyUpgrade(chan<- os.Signal) {}

// upgrade is never asked for.
func (n *node) upgrade(context.Context, chan<- error) (done bool) { return false }
