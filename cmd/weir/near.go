package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// advise adds to a refusal what to do next, where the API cannot know it: which
// names are near one that is not there, and where tokens come from.
func (c *client) advise(ctx context.Context, path string, e *refusedError) {
	switch e.Status {
	case http.StatusUnauthorized:
		e.Hint += "\n  an admin makes one: `weir token new NAME --role viewer|operator|admin` prints the line for the file that control.tokens of the node names"
	case http.StatusNotFound:
		path, _, _ = strings.Cut(path, "?")
		parts := strings.Split(strings.TrimPrefix(path, "/v1/"), "/")
		if len(parts) < 2 {
			return
		}
		if name, err := url.PathUnescape(parts[1]); err == nil {
			e.Hint = c.near(ctx, parts[0], name, e.Hint)
		}
	}
}

// near says where names of a kind are listed, and which of them was probably
// meant. What there is, is asked once more; a failure of that is not worth telling.
func (c *client) near(ctx context.Context, kind, name, otherwise string) string {
	list := nameLists()[kind]
	if list == nil {
		return otherwise
	}
	hint := "`weir get " + kind + "` lists what there is"
	found, err := list(ctx, c)
	if err != nil {
		return hint
	}
	if best := nearest(name, found); best != "" {
		return "did you mean " + best + "? " + hint
	}
	return hint
}

// nearest is the choice that a name was probably meant to be; empty: none is near.
func nearest(name string, choices []cobra.Completion) string {
	best, least := "", len(name)/3+1
	for _, choice := range choices {
		choice, _, _ = strings.Cut(choice, "\t")
		d := distance(strings.ToLower(name), strings.ToLower(choice))
		if name != "" && d > 1 && strings.HasPrefix(strings.ToLower(choice), strings.ToLower(name)) {
			d = 1
		}
		if choice != name && d <= least && (best == "" || d < least) {
			best, least = choice, d
		}
	}
	return best
}

// distance is how many letters must be added, taken away or changed (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0] // of the row above, one to the left
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}
