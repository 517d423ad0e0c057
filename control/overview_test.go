package control

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/proxy/stats"
)

// TestOverview_LosesNothingThatIsKept compares it with the requests themselves.
func TestOverview_LosesNothingThatIsKept(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tr := recorded(t, "error_rate > 1%")
		r := tr.record
		r.layers = [3]layer{{ticks: 1, most: 700}, {ticks: 10, most: 200}, {ticks: 600, most: 20}}
		for i := range r.layers {
			r.layers[i].open = make([]uint32, len(r.cells))
		}
		ticks := rapid.OneOf(rapid.IntRange(1, 900), rapid.IntRange(1, 20_000)).Draw(rt, "ticks")
		for i := range ticks {
			clear(r.cells)
			r.cells[0], r.cells[cellErrors], r.cells[r.shape.width()] = 10, uint32(i%3), 1
			for k := range r.layers {
				r.layers[k].add(r.cells)
			}
			r.next++
		}
		condition, err := analysis.ParseCondition("error_rate > 1%")
		if err != nil {
			rt.Fatal(err)
		}
		rec := r.overview("n1", "shop-1", r.next)
		points := rec.Course(condition, "green")
		if n := len(points); n == 0 || n > overviewRows {
			rt.Fatalf("%d points", n)
		}
		kept := ticks
		if most := 20 * 600; ticks > most+599 {
			kept = most + ticks%600
		}
		if begin := time.Duration(ticks-kept) * stats.TickLength; points[0].T <= begin {
			rt.Fatalf("the first point ends at %s, before %s", points[0].T, begin)
		}
		if last := points[len(points)-1].T; last < time.Duration(ticks)*stats.TickLength {
			rt.Fatalf("the last point ends at %s, and %d ticks were counted", last, ticks)
		}
		var stable, green Tally
		for _, p := range points {
			stable.add(p.Stable.Requests, p.Stable.Bad)
			green.add(p.Candidate.Requests, p.Candidate.Bad)
		}
		bad := uint64(0)
		for i := ticks - kept; i < ticks; i++ {
			bad += uint64(i % 3)
		}
		if stable.Requests != uint64(kept)*10 || stable.Bad != bad || green.Requests != uint64(kept) || green.Bad != 0 {
			rt.Fatalf("%d ticks are kept: stable %+v, green %+v, want %d bad", kept, stable, green, bad)
		}
	})
}

func TestOverview_ShowsRequestsThatHaveNotEnded(t *testing.T) {
	tr := recorded(t, "error_rate > 1%")
	recorder := stats.NewRegistry().Recorder("shop", "green")
	recorder.Arm(tr.sides[0].recorded)
	for tick := int64(100); tick < 130; tick++ {
		recorder.Begin(0, stats.Split, tick*int64(stats.TickLength)+1, -1)
	}
	tr.record.keep(130)
	condition, err := analysis.ParseCondition("error_rate > 1%")
	if err != nil {
		t.Fatal(err)
	}
	points := tr.record.overview("n1", "shop-1", 130).Course(condition, "green")
	if len(points) != 3 || points[2].Candidate.Requests != 10 || points[2].T != 3*time.Second {
		t.Fatalf("%+v", points)
	}
	if tr.record.overview("n1", "shop-1", 130).Course(condition, "red") != nil {
		t.Fatal("a version that was not on trial has a course")
	}
}
