package store

import "fmt"

// Kill records that a person switched a flag off on this node. When it returns nil
// the fact is on disk; to put it in etcd is the caller's. Call it after the table was
// swapped. It waits for an fsync.
func (s *Store) Kill(flag string, value []byte) error {
	return s.kills.append(Cut{Rollout: flag, Node: s.opts.Node, Value: value})
}

// Kills returns the kills that this node journalled and did not forget, its former
// lives included, oldest first, with the flag as Rollout.
func (s *Store) Kills() []Cut { return s.kills.all() }

// ForgetKill drops a kill that etcd has or had, and no later one of the flag. As with
// Forget, the disk copy is brought up to date first: a node that restarts without
// etcd must find the kill here or there.
func (s *Store) ForgetKill(flag string, value []byte) error {
	if err := s.flush(); err != nil {
		return fmt.Errorf("cannot forget kill of flag %q: %w", flag, err)
	}
	return s.kills.forget(flag, value)
}
