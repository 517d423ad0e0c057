package socket

import "golang.org/x/sys/unix"

// endOfStream is the event of the other side having ended its sending, which
// Linux tells even behind bytes that nobody has read.
const endOfStream = unix.POLLRDHUP
