package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

// etag is the entity tag of a revision.
func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// Conditions are the preconditions of a change.
type Conditions struct {
	IfMatch     string `header:"If-Match" doc:"ETag of what the change was made from; a newer state is 412" example:"\"42\""`
	IfNoneMatch string `header:"If-None-Match" doc:"* changes nothing that exists already"`
}

// Freshness is how new what is read must be.
type Freshness struct {
	Consistent bool `query:"consistent" doc:"Show at least every change that was acknowledged anywhere before; 503 where that cannot be known"`
}

// fresh waits until this node knows enough to answer.
func (a *API) fresh(ctx context.Context, f Freshness) error {
	if !f.Consistent {
		return nil
	}
	return a.Control.CatchUp(ctx)
}

// surely is what find returns once this node knows that it has not merely not
// heard of it yet.
func surely[T any](ctx context.Context, a *API, find func() (T, error)) (T, error) {
	v, err := find()
	if err == nil {
		return v, nil
	}
	if err := a.Control.CatchUp(ctx); err != nil {
		return v, err
	}
	return find()
}

const (
	anyRevision    = 0  // no condition
	absentRevision = -1 // the object must not exist
)

// revision is the condition as commands carry it. present is the revision of
// the object now, 0 if there is none.
func (c Conditions) revision(present int64) (int64, error) {
	switch {
	case c.IfNoneMatch == "*":
		return absentRevision, nil
	case c.IfNoneMatch != "":
		return 0, problem(http.StatusBadRequest, "write `If-None-Match: *`, or use If-Match",
			"If-None-Match %s is not supported for a change", c.IfNoneMatch)
	case c.IfMatch == "":
		return anyRevision, nil
	case c.IfMatch == "*" && present > 0:
		return anyRevision, nil
	}
	revision, err := strconv.ParseInt(strings.Trim(c.IfMatch, `"`), 10, 64)
	if err != nil || revision <= 0 || etag(revision) != c.IfMatch {
		// A weak tag, a list, a tag of another server: none of them can match.
		return 0, problem(http.StatusPreconditionFailed, "send the ETag of a GET as it came, such as \"42\" in quotes",
			"If-Match %s matches no revision", c.IfMatch)
	}
	return revision, nil
}
