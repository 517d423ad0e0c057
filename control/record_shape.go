package control

import (
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
	"github.com/weirproxy/weir/proxy/stats"
)

// shape says what the cells of one version in one row are: the requests, then
// pairs of bad ones and bad ones that count once a bucket. The pairs are errors,
// client errors, one for each limit, one for each quantile.
type shape struct {
	limits    []time.Duration
	quantiles []int // in tenths of a percent
	levels    []int // index of the level that stands for each quantile
}

const (
	cellErrors       = 1
	cellClientErrors = 3
	cellMeasures     = 5
)

func shapeOf(p analysis.Policy) shape {
	s := shape{limits: p.Limits()}
	for i, level := range p.Levels() {
		// Levels are sorted: of several for one quantile the first stands for all.
		if n := len(s.quantiles); n == 0 || s.quantiles[n-1] != level.Quantile {
			s.quantiles = append(s.quantiles, level.Quantile)
			s.levels = append(s.levels, i)
		}
	}
	return s
}

func (s *shape) width() int { return cellMeasures + 2*(len(s.limits)+len(s.quantiles)) }

// fill sets the cells of one version to the outcomes of a tick that ended age
// ticks ago. Hung requests are slower than the limits that have passed.
func (s *shape) fill(cells []uint32, o *stats.Outcomes, age uint32) {
	cells[0] = uint32(o.Started)
	put := func(cell int, all, unique uint64) {
		cells[cell], cells[cell+1] = uint32(min(all, o.Started)), uint32(min(unique, o.Started))
	}
	put(cellErrors, o.Errors, o.ErrorsUnique)
	put(cellClientErrors, o.ClientErrors, o.ClientErrorsUnique)
	hung := o.Started - min(o.Headed, o.Started)
	cell := cellMeasures
	for i, limit := range s.limits {
		late := uint64(0)
		if time.Duration(age)*stats.TickLength >= limit {
			late = hung
		}
		put(cell, o.Over[i]+late, o.OverUnique[i]+late)
		cell += 2
	}
	for _, level := range s.levels {
		late := uint64(0)
		if age >= finalTicks {
			late = hung
		}
		put(cell, o.OverLevel[level]+late, o.OverLevelUnique[level]+late)
		cell += 2
	}
}

// row sets a row of a file to the cells of one version.
func (s *shape) row(row *replay.Row, cells []uint32) {
	bad := func(cell int) replay.Bad {
		return replay.Bad{All: uint64(cells[cell]), Unique: uint64(cells[cell+1])}
	}
	row.Requests, row.Errors, row.ClientErrors = uint64(cells[0]), bad(cellErrors), bad(cellClientErrors)
	for i := range s.limits {
		row.Over[i] = bad(cellMeasures + 2*i)
	}
	for i := range s.quantiles {
		row.Slow[i] = bad(cellMeasures + 2*(len(s.limits)+i))
	}
}
