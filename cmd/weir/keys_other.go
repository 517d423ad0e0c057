//go:build !unix

package main

import (
	"context"
	"os"
)

// rawKeys leaves the terminal as it is: only Ctrl-C is heard here.
func rawKeys(*os.File) (restore func(), err error) { return func() {}, nil }

func readKeys(context.Context, *os.File, chan<- key) {}
