package dashboard

import (
	"maps"
	"slices"
	"strings"

	"github.com/weirproxy/weir/configs"
)

// weights are the shares of versions.
type weights = map[string]configs.Weight

// bar is how the users of a service are shared out.
type bar struct {
	Text  string // the same in words
	Parts []part
}

// part is the share of one version. X and Width are in basis points.
type part struct {
	Name, Tone string
	Weight     configs.Weight
	X, Width   int
}

// barOf draws shares, with stable first and the others by name.
func barOf(shares weights, stable string) bar {
	names := slices.SortedFunc(maps.Keys(shares), func(a, b string) int {
		switch stable {
		case a:
			return -1
		case b:
			return 1
		}
		return strings.Compare(a, b)
	})
	var out bar
	var text []string
	x := 0
	for _, name := range names {
		w := shares[name]
		if w == 0 {
			continue
		}
		out.Parts = append(out.Parts, part{Name: name, Weight: w, X: x, Width: int(w)})
		text = append(text, name+" "+w.String())
		x += int(w)
	}
	tones := tonesOf(names, stable)
	for i := range out.Parts {
		out.Parts[i].Tone = tones[out.Parts[i].Name]
	}
	out.Text = strings.Join(text, ", ")
	return out
}

// maxTones is how many versions beside stable have a colour of their own.
const maxTones = 3

// tonesOf gives each version the name of its colour: the same on all pages.
func tonesOf(names []string, stable string) map[string]string {
	tones := make(map[string]string, len(names))
	n := 0
	for _, name := range slices.Sorted(slices.Values(names)) {
		if name == stable {
			tones[name] = "stable"
			continue
		}
		tones[name] = "v" + string(rune('1'+min(n, maxTones-1)))
		n++
	}
	return tones
}
