// Package store keeps weir's shared state: it is the only code that talks to
// etcd, and it owns the files that a node keeps for when etcd is gone. It
// knows keys and bytes; what the values mean is its callers' business.
//
// Everything flows one way round. Commit sends a transaction to etcd; the watch
// brings what came of it, like everybody else's changes, through Updates to
// one consumer. Nothing is applied on the way out, so a node sees its own
// writes exactly as every other node does.
//
//	Open -> Run -> Updates   load at R, watch from R+1, load again on any doubt
//	Commit                   a proven outcome, or ErrUnknown
//	Lead, Leader             leadership, and the fence that leader writes compare
//	Keep, Announce           keys that live and come back with the node's lease
//	Cut, Cuts, Forget        facts on disk before they are in etcd
//	SaveFuse, LoadFuse       a node's judge, across restarts
//
// When etcd is gone the node goes on with what it has: the last Update stays
// in force, a restart serves the disk copy, a cut is journalled and put when
// etcd is back. Status says so.
package store
