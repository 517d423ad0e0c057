package compile

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

// twin is what a table must do, worked out without sharing or indexes: the
// version of each bucket of each service on each path.
func twin(in Input, good map[string]Source) map[string][]string {
	paths := map[string][]string{}
	sources := slices.SortedFunc(maps.Values(good), func(x, y Source) int { return int(x.ModRevision - y.ModRevision) })
	for _, source := range sources {
		doc := source.Document
		state := in.States[doc.Name].Service
		order, labels, err := state.Split()
		if err != nil {
			panic(err)
		}
		var buckets []string
		for bucket := range route.Buckets {
			version := order[0]
			if labels != nil {
				version = order[labels[bucket]]
			}
			for _, cut := range in.Cuts {
				if state.Counts(cut) && cut.Version == version {
					version = state.Stable
				}
			}
			buckets = append(buckets, version)
		}
		paths[doc.Routes[0].Path] = buckets
	}
	return paths
}

func TestBuild_DoesWhatItsDumbTwinDoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		good := map[string]Source{}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "service")
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0: // a document that is good
				b.put(document(name, fmt.Sprintf("/%s%d", name, rapid.IntRange(0, 2).Draw(rt, "path"))))
				good[name] = b.Services[name]
				if _, ok := b.States[name]; !ok {
					b.weigh(name, map[string]configs.Weight{"blue": configs.Whole})
				}
			case 1: // one that is not
				if _, ok := good[name]; ok {
					bad := document(name, "/bad")
					bad.Versions["green"] = configs.Version{Endpoints: []string{"nowhere"}}
					b.put(bad)
				}
			case 2: // weights by hand
				if source, ok := good[name]; ok {
					share := configs.Weight(rapid.SampledFrom([]int{1, 500, 9_999, 10_000}).Draw(rt, "share"))
					b.Revision++
					weights := map[string]configs.Weight{"blue": configs.Whole - share, "green": share}
					b.States[name] = State{Service: state(t, source.Document, weights), ModRevision: b.Revision}
				}
			case 3: // a cut, of all rollouts of that id
				version := rapid.SampledFrom([]string{"green", "blue", "nobody"}).Draw(rt, "cut")
				b.Cuts = append(b.Cuts, rollout.Cut{Rollout: rapid.SampledFrom([]string{"m1", "m2"}).Draw(rt, "rollout"), Version: version})
			case 4: // a service that goes
				delete(b.Services, name)
				delete(b.States, name)
				delete(good, name)
			}
			compare(rt, b.build(), b, twin(b.Input, good))
		}
	})
}

func compare(t *rapid.T, table *route.Table, b *bench, want map[string][]string) {
	for _, name := range []string{"a", "b", "c"} {
		for i := range 3 {
			path := fmt.Sprintf("/%s%d", name, i)
			if got := matched(table, path); (got != "") != (want[path] != nil) {
				t.Fatalf("%s leads to %q; refused %v", path, got, b.out.Refused)
			}
			if want[path] == nil {
				continue
			}
			s := table.Service(name)
			versions := map[string]configs.Weight{}
			for bucket, version := range want[path] {
				if got := s.Versions[s.Split.Pick(bucket)].Name; got != version {
					t.Fatalf("bucket %d of %s goes to %s, want %s", bucket, name, got, version)
				}
				versions[version]++
			}
			if s.Mixed != (len(versions) > 1) {
				t.Fatalf("%s is mixed: %v, with %v", name, s.Mixed, versions)
			}
			for version, weight := range b.out.Built.Effective(name) {
				if versions[version] != weight {
					t.Fatalf("%s has %d of %s in effect, want %d", name, weight, version, versions[version])
				}
			}
		}
	}
	for service := range b.out.Refused {
		if b.Services[service].ModRevision == 0 {
			t.Fatalf("%s is refused and has no document", service)
		}
	}
}
