package dashboard

import (
	"context"
	"sync"
	"time"

	"github.com/weirproxy/weir/control"
)

const (
	// courseFresh is how long an overview is shown to others as well, so that a
	// crowd before one rollout asks no more often than one person.
	courseFresh = 500 * time.Millisecond

	// maxCourses bounds the overviews that are held.
	maxCourses = 32
)

// courses are the overviews of rollouts that somebody looks at. The zero value
// is ready for use, and safe for concurrent use.
type courses struct {
	mu sync.Mutex
	of map[string]course
}

type course struct {
	at  time.Time
	rec *control.Recording
}

// get returns the overview of a rollout; nil: this node recorded nothing of it.
func (c *courses) get(ctx context.Context, id string, ask func(context.Context, string) (*control.Recording, error)) (*control.Recording, error) {
	now := time.Now()
	c.mu.Lock()
	held, ok := c.of[id]
	c.mu.Unlock()
	if ok && now.Sub(held.at) < courseFresh {
		return held.rec, nil
	}
	rec, err := ask(ctx, id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.of) >= maxCourses || c.of == nil {
		c.of = make(map[string]course)
	}
	c.of[id] = course{now, rec}
	return rec, nil
}
