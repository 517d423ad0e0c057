//go:build unix && !linux

package socket

// endOfStream is covered by POLLHUP here.
const endOfStream = 0
