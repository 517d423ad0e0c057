package main

import (
	"context"
	"sync"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

const (
	stormEvery = 30 * time.Second // in one service
	stormLast  = 300 * time.Millisecond
)

// storm is one client of each service in turn whose request fails wherever it
// goes, and who asks again at once. It goes on until it is stopped.
type storm struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	all    lab.Shots
}

func newStorm(address string, services int) *storm {
	ctx, cancel := context.WithCancel(context.Background())
	s := &storm{cancel: cancel}
	s.done.Go(func() {
		for i := 0; ; i = (i + 1) % services {
			// The identity is that of the service's first user.
			client := lab.Load{Address: address, Host: host(i), Path: "/broken/", First: users * i}
			raging := client.Closed(1, 0)
			rest(ctx, stormLast)
			s.all = append(s.all, raging.Stop()...)
			rest(ctx, stormEvery/time.Duration(services)-stormLast)
			if ctx.Err() != nil {
				return
			}
		}
	})
	return s
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *storm) stop() {
	s.cancel()
	s.done.Wait()
}

// shots are those of a storm that was stopped.
func (s *storm) shots() lab.Shots { return s.all }
