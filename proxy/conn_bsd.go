//go:build unix && !linux

package proxy

// endOfStream is covered by POLLHUP here.
const endOfStream = 0
