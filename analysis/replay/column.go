package replay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// kind says what a column holds.
type kind uint8

const (
	colT kind = iota + 1
	colVersion
	colNode
	colRequests
	colErrors
	colErrorsUnique
	colClientErrors
	colClientErrorsUnique
	colOver // a limit
	colOverUnique
	colSlow // a quantile
	colSlowUnique
)

// column is one column of a file. Index is that of its limit or quantile.
type column struct {
	kind  kind
	name  string
	index int
}

const (
	maxColumns  = 64
	overPrefix  = "over_"
	slowPrefix  = "over_q"
	uniqueAfter = "_unique"
)

// Columns are what a file counts.
type Columns struct {
	Limits    []time.Duration // rising; over_<limit>
	Quantiles []int           // rising, in tenths of a percent; over_q<percent>

	has  map[column]bool // without names
	list []column
}

func (c *Columns) there(k kind, index int) bool { return c.has[column{kind: k, index: index}] }

// fieldError is a problem with one field, counted from 0.
type fieldError struct {
	field int
	text  string
}

// parseColumns reads the line that names the columns.
func parseColumns(names []string) (Columns, *fieldError) {
	c := Columns{has: map[column]bool{}}
	bad := func(i int, format string, args ...any) (Columns, *fieldError) {
		return Columns{}, &fieldError{i, fmt.Sprintf(format, args...)}
	}
	if len(names) > maxColumns {
		return bad(maxColumns, "there are %d columns: at most %d are read", len(names), maxColumns)
	}
	c.measures(names)
	if len(c.Limits) > analysis.MaxLimits || len(c.Quantiles) > analysis.MaxLevels {
		return bad(0, "there are %d latency limits and %d quantiles: at most %d and %d are judged", len(c.Limits), len(c.Quantiles), analysis.MaxLimits, analysis.MaxLevels)
	}
	for i, name := range names {
		col, ok := c.parse(name)
		if !ok {
			return bad(i, "there is no column %q: write t, version, node, requests, errors, errors_unique, client_errors or over_<limit>, such as over_200ms", name)
		}
		if c.there(col.kind, col.index) {
			return bad(i, "the column %q is there twice", name)
		}
		c.has[column{kind: col.kind, index: col.index}] = true
		c.list = append(c.list, col)
	}
	for _, must := range []column{{colT, "t", 0}, {colVersion, "version", 0}, {colRequests, "requests", 0}, {colErrors, "errors", 0}} {
		if !c.there(must.kind, 0) {
			return bad(0, "there is no column %q: t, version, requests and errors are needed", must.name)
		}
	}
	for i, col := range c.list {
		if unique := isUnique(col.kind); unique && !c.there(col.kind-1, col.index) {
			return bad(i, "the column %q has no %q beside it", col.name, strings.TrimSuffix(col.name, uniqueAfter))
		}
	}
	return c, nil
}

// isUnique reports whether a column counts once a bucket what the one of the
// kind before counts.
func isUnique(k kind) bool {
	return k == colErrorsUnique || k == colClientErrorsUnique || k == colOverUnique || k == colSlowUnique
}

// measures collects the limits and quantiles of all columns.
func (c *Columns) measures(names []string) {
	for _, name := range names {
		name = strings.TrimSuffix(name, uniqueAfter)
		if q, ok := quantileOf(name); ok {
			c.Quantiles = append(c.Quantiles, q)
		} else if limit, ok := limitOf(name); ok {
			c.Limits = append(c.Limits, limit)
		}
	}
	slices.Sort(c.Limits)
	slices.Sort(c.Quantiles)
	c.Limits, c.Quantiles = slices.Compact(c.Limits), slices.Compact(c.Quantiles)
}

// parse reads the name of one column.
func (c *Columns) parse(name string) (column, bool) {
	plain := map[string]kind{
		"t": colT, "version": colVersion, "node": colNode, "requests": colRequests, "errors": colErrors, "client_errors": colClientErrors,
	}
	col := column{name: name}
	measure, unique := strings.CutSuffix(name, uniqueAfter)
	if k, ok := plain[measure]; ok && (!unique || k == colErrors || k == colClientErrors) {
		col.kind = k
	} else if q, ok := quantileOf(measure); ok {
		col.kind, col.index = colSlow, slices.Index(c.Quantiles, q)
	} else if limit, ok := limitOf(measure); ok {
		col.kind, col.index = colOver, slices.Index(c.Limits, limit)
	} else {
		return column{}, false
	}
	if unique {
		col.kind++
	}
	return col, true
}

// limitOf reads the limit in the name of a latency column.
func limitOf(name string) (time.Duration, bool) {
	text, ok := strings.CutPrefix(name, overPrefix)
	limit, err := time.ParseDuration(text)
	return limit, ok && err == nil && limit > 0
}

// quantileOf reads the quantile in the name of a column of relative latency.
func quantileOf(name string) (int, bool) {
	text, ok := strings.CutPrefix(name, slowPrefix)
	percent, err := strconv.ParseFloat(text, 64)
	tenths := int(percent*10 + .5)
	return tenths, ok && err == nil && percent > 0 && percent < 100 && quantileText(tenths) == text
}

// quantileText writes a quantile as a column names it.
func quantileText(tenths int) string { return strconv.FormatFloat(float64(tenths)/10, 'f', -1, 64) }

// missing is the column that a rule needs and the file lacks, or "".
func (c *Columns) missing(r analysis.Rule) string {
	p := analysis.Policy{Rules: []analysis.Rule{r}}
	if r.Condition.Metric == analysis.ClientErrorRate && !c.there(colClientErrors, 0) {
		return "client_errors"
	}
	for _, limit := range p.Limits() {
		if !slices.Contains(c.Limits, limit) {
			return overPrefix + limitText(limit)
		}
	}
	for _, level := range p.Levels() {
		if !slices.Contains(c.Quantiles, level.Quantile) {
			return slowPrefix + quantileText(level.Quantile)
		}
	}
	return ""
}
