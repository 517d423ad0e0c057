package replay

import (
	"fmt"
	"slices"
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
	colOver
	colOverUnique
	colQuantile
)

// column is one column of a file. Index is that of its limit among the limits,
// or of its quantile among the quantiles.
type column struct {
	kind  kind
	name  string
	index int
}

const (
	maxColumns  = 64
	quantiles   = 3
	overPrefix  = "over_"
	uniqueAfter = "_unique"
)

// quantileNames are the columns of relative latency, in the order of Row.OverQ.
func quantileNames() [quantiles]string { return [quantiles]string{"over_q50", "over_q90", "over_q99"} }

// Columns are what a file counts.
type Columns struct {
	Limits       []time.Duration // rising; over_<limit>
	Unique       bool            // errors_unique
	ClientErrors bool
	Node         bool

	overUnique [analysis.MaxLimits]bool
	quantile   [quantiles]bool
	list       []column
}

// limit is the index of a latency limit, or -1 if the file does not count it.
func (c *Columns) limit(d time.Duration) int { return slices.Index(c.Limits, d) }

// fieldError is a problem with one field, counted from 0.
type fieldError struct {
	field int
	text  string
}

// parseColumns reads the line that names the columns.
func parseColumns(names []string) (Columns, *fieldError) {
	var c Columns
	bad := func(i int, format string, args ...any) (Columns, *fieldError) {
		return Columns{}, &fieldError{i, fmt.Sprintf(format, args...)}
	}
	if len(names) > maxColumns {
		return bad(maxColumns, "there are %d columns: at most %d are read", len(names), maxColumns)
	}
	for _, name := range names {
		if limit, unique, ok := overLimit(name); ok && !unique && c.limit(limit) < 0 {
			c.Limits = append(c.Limits, limit)
		}
	}
	if len(c.Limits) > analysis.MaxLimits {
		return bad(0, "there are %d latency limits: at most %d are judged", len(c.Limits), analysis.MaxLimits)
	}
	slices.Sort(c.Limits)
	seen := map[column]bool{}
	for i, name := range names {
		col, problem := c.parse(name)
		if problem != "" {
			return bad(i, "%s", problem)
		}
		if key := (column{kind: col.kind, index: col.index}); seen[key] {
			return bad(i, "the column %q is there twice", name)
		} else {
			seen[key] = true
		}
		c.list = append(c.list, col)
	}
	for _, must := range []column{{kind: colT, name: "t"}, {kind: colVersion, name: "version"}, {kind: colRequests, name: "requests"}, {kind: colErrors, name: "errors"}} {
		if !seen[column{kind: must.kind}] {
			return bad(0, "there is no column %q: t, version, requests and errors are needed", must.name)
		}
	}
	return c, nil
}

// parse reads the name of one column, and notes that it is there.
func (c *Columns) parse(name string) (column, string) {
	plain := map[string]kind{
		"t": colT, "version": colVersion, "node": colNode, "requests": colRequests, "errors": colErrors,
		"errors_unique": colErrorsUnique, "client_errors": colClientErrors,
	}
	if k, ok := plain[name]; ok {
		c.Unique = c.Unique || k == colErrorsUnique
		c.ClientErrors = c.ClientErrors || k == colClientErrors
		c.Node = c.Node || k == colNode
		return column{kind: k, name: name}, ""
	}
	names := quantileNames()
	if i := slices.Index(names[:], name); i >= 0 {
		c.quantile[i] = true
		return column{kind: colQuantile, name: name, index: i}, ""
	}
	limit, unique, ok := overLimit(name)
	if !ok {
		return column{}, fmt.Sprintf("there is no column %q: write t, version, node, requests, errors, errors_unique, client_errors or over_<limit>, such as over_200ms", name)
	}
	i := c.limit(limit)
	if !unique {
		return column{kind: colOver, name: name, index: i}, ""
	}
	if i < 0 {
		return column{}, fmt.Sprintf("the column %q has no %q beside it", name, strings.TrimSuffix(name, uniqueAfter))
	}
	c.overUnique[i] = true
	return column{kind: colOverUnique, name: name, index: i}, ""
}

// overLimit reads the limit in the name of a latency column.
func overLimit(name string) (limit time.Duration, unique, ok bool) {
	text, ok := strings.CutPrefix(name, overPrefix)
	if !ok {
		return 0, false, false
	}
	text, unique = strings.CutSuffix(text, uniqueAfter)
	limit, err := time.ParseDuration(text)
	return limit, unique, err == nil && limit > 0
}

// missing is the column that a condition needs and the file lacks, or "".
func (c *Columns) missing(condition analysis.Condition) string {
	switch condition.Metric {
	case analysis.ClientErrorRate:
		if !c.ClientErrors {
			return "client_errors"
		}
	case analysis.LatencyQuantile:
		if condition.Latency > 0 && c.limit(condition.Latency) < 0 {
			return overPrefix + condition.LimitText()
		}
		names := quantileNames()
		for i, there := range c.quantile {
			if condition.Relative() && !there {
				return names[i]
			}
		}
	}
	return ""
}
