// Package e2e proves weir from outside: the real binary, real versions behind
// it, real traffic and, where the proof needs it, an etcd that can be killed.
// `make e2e` runs it; without the build tag e2e there is nothing in it.
package e2e
