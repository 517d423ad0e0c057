package main

import (
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

func TestJudge_WholeRollouts(t *testing.T) {
	kept(t, wholeRollouts(2, "candidate as good as stable", fine, .005))
	kept(t, found(40, 0, .05, 140, 75*time.Second)...)
	kept(t, found(40, 0, 1, 20, 10*time.Second)...)
}

func TestJudge_PassesEarlyOnProof(t *testing.T) {
	kept(t, earlyPass(30, .0002), earlyRollouts(3))
}

func TestJudge_RelativeLimitsNeedFewRequests(t *testing.T) {
	kept(t, strict(100, 18, 2, 1377), relative(60, .05, 64), slower(30, 1.5, 200))
	kept(t, equallySlow(2, "both 5 times slower for 2 min", func(at time.Duration) float64 {
		if at >= 5*time.Minute && at < 7*time.Minute {
			return 5
		}
		return 1
	}))
}

// Without one bad outcome per bucket the same world bites.
func TestJudge_HoldsInStormsOfOneClient(t *testing.T) {
	kept(t, storms(1, 50, 50*time.Second, true), storms(2, 50, 50*time.Second, false))
}

// Counts that are summed over the nodes of a fleet bite where strata hold.
func TestJudge_ComparesVersionsNodeByNode(t *testing.T) {
	kept(t, unequal(8, .05, .5, "as good", equal, false, bothLimits...), unequal(4, .05, .5, "as good", equal, true, bothLimits...),
		unequalFault(20, .001, .05, 100), unequalFault(20, .05, .5, 10))
}

func TestRivals_AreWhatTheirNamesSay(t *testing.T) {
	f := func(index int, bad func(second int) float64, want int) {
		t.Helper()
		judge := rivals(.01)[index]
		for second := 1; second <= 3000; second++ {
			if judge.second(20, bad(second)) {
				if second != want {
					t.Fatalf("%s after %d s, want %d", judges[index+1], second, want)
				}
				return
			}
		}
		if want != 0 {
			t.Fatalf("%s never, want %d s", judges[index+1], want)
		}
	}
	always := func(int) float64 { return 1 }
	never := func(int) float64 { return 0 }
	f(0, always, 300)
	f(1, always, 1200)
	f(2, always, 60+19*15)
	f(3, always, 300)
	f(4, always, 2)
	for i := range rivals(.01) {
		f(i, never, 0)
	}
	// A pause starts the third anew, but not the first.
	pause := func(second int) float64 {
		if second >= 200 && second < 300 {
			return 0
		}
		return 1
	}
	f(0, pause, 360)
	f(2, pause, 600)
}

func TestPlot_IsWellFormed(t *testing.T) {
	p := plot{title: "a &lt; b", unit: "%", log: true, groups: []group{{"one", []float64{1, 10, math.Inf(1), 3, 4, 5}}}}
	decoder := xml.NewDecoder(strings.NewReader(p.svg()))
	for {
		if _, err := decoder.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(p.svg(), "never") || draw(t.TempDir(), []plot{p}) == nil {
		t.Fatal("a plot without a name was written, or infinity was drawn")
	}
}
