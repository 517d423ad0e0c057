//go:build !linux

package proxy

// parker does nothing here: an idle connection keeps its goroutine.
type parker struct{ server *Server }

func (*parker) park(*clientConn, int64) bool { return false }

func (*parker) take(*clientConn) bool { return false }

func (*parker) close() {}
