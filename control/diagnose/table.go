package diagnose

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/weirproxy/weir/proxy/route"
)

// tableView is what a node routes by.
type tableView struct {
	Revision int64              `json:"revision"`
	Services []tableServiceView `json:"services"`
}

type tableServiceView struct {
	Name     string             `json:"name"`
	Rollout  string             `json:"rollout,omitempty"`
	Stable   string             `json:"stable"`
	Mixed    bool               `json:"mixed"`
	Versions []tableVersionView `json:"versions"`
}

type tableVersionView struct {
	Name    string `json:"name"`
	Buckets int    `json:"buckets"` // of the split
}

func tableOf(t *route.Table) tableView {
	view := tableView{Services: []tableServiceView{}}
	if t == nil {
		return view
	}
	view.Revision = t.Revision
	for _, s := range t.Services {
		one := tableServiceView{Name: s.Name, Rollout: s.Rollout, Mixed: s.Mixed, Versions: make([]tableVersionView, len(s.Versions))}
		for i, v := range s.Versions {
			one.Versions[i].Name = v.Name
		}
		if s.Stable >= 0 && s.Stable < len(s.Versions) {
			one.Stable = s.Versions[s.Stable].Name
		}
		for bucket := range route.Buckets {
			if i := s.Split.Pick(bucket); i >= 0 && i < len(one.Versions) {
				one.Versions[i].Buckets++
			}
		}
		view.Services = append(view.Services, one)
	}
	return view
}

// filesText tells the form of files, by the field that names them, and never
// what is in them.
func filesText(files map[string]string) []byte {
	var out bytes.Buffer
	for _, field := range slices.Sorted(maps.Keys(files)) {
		name := files[field]
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintf(&out, "%-24s %s: %v\n", field, name, err)
			continue
		}
		fmt.Fprintf(&out, "%-24s %s: %s, %d bytes, changed %s\n", field, name, info.Mode(), info.Size(), info.ModTime().UTC().Format(time.RFC3339))
	}
	return out.Bytes()
}
