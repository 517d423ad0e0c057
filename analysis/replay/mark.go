package replay

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MarkKind is what a Mark tells.
type MarkKind uint8

// What a Mark can tell.
const (
	MarkBaseline   MarkKind = iota + 1 // Rate is stable's rate of errors before the trial
	MarkStage                          // stage N began at T
	MarkFailing                        // the probes of Version fail since T
	MarkPassing                        // they pass again since T
	MarkNodes                          // the counts are those of one of N nodes
	MarkCandidates                     // N candidates share the promise
)

// Mark is what a comment of a file tells. The fields that its kind does not
// name are zero.
type Mark struct {
	Kind    MarkKind
	T       time.Duration // since the trial began
	N       int
	Rate    float64 // from 0, below 1
	Version string
}

// maxMarkNumber bounds the numbers of marks.
const maxMarkNumber = 10_000

// String is the comment.
func (m Mark) String() string {
	switch m.Kind {
	case MarkBaseline:
		return "# baseline " + strconv.FormatFloat(m.Rate, 'g', -1, 64)
	case MarkStage:
		return fmt.Sprintf("# stage %d %s", m.N, seconds(m.T))
	case MarkFailing:
		return fmt.Sprintf("# health %s failing %s", m.Version, seconds(m.T))
	case MarkPassing:
		return fmt.Sprintf("# health %s passing %s", m.Version, seconds(m.T))
	case MarkNodes:
		return fmt.Sprintf("# nodes %d", m.N)
	case MarkCandidates:
		return fmt.Sprintf("# candidates %d", m.N)
	}
	return "#"
}

// comment reads a comment: nil if it is for people.
func (r *Reader) comment(line []byte) (*Mark, error) {
	words := strings.Fields(strings.TrimLeft(string(line), "#"))
	if len(words) == 0 {
		return nil, nil
	}
	mark, form := Mark{}, ""
	var ok bool
	switch words[0] {
	case "baseline":
		form = "# baseline <rate>, a share from 0 to 1 such as 0.002"
		mark.Kind = MarkBaseline
		if len(words) == 2 {
			rate, err := strconv.ParseFloat(words[1], 64)
			mark.Rate, ok = rate, err == nil && rate >= 0 && rate < 1
		}
	case "stage":
		form = "# stage <n> <t>, counted from 0 and in seconds"
		mark.Kind = MarkStage
		ok = len(words) == 3 && markNumber(words[1], 0, &mark.N) && markTime(words[2], &mark.T)
	case "health":
		form = "# health <version> failing <t>, in seconds"
		ok = len(words) == 4 && markTime(words[3], &mark.T)
		if ok {
			mark.Version = words[1]
			mark.Kind = map[string]MarkKind{"failing": MarkFailing, "passing": MarkPassing}[words[2]]
			ok = mark.Kind != 0
		}
	case "nodes":
		form = "# nodes <n>"
		mark.Kind = MarkNodes
		ok = len(words) == 2 && markNumber(words[1], 1, &mark.N)
	case "candidates":
		form = "# candidates <n>"
		mark.Kind = MarkCandidates
		ok = len(words) == 2 && markNumber(words[1], 1, &mark.N)
	default:
		return nil, nil
	}
	if !ok {
		return nil, r.bad(1, "%q cannot be read: write %s", shorten(string(line)), form)
	}
	r.mark = mark
	return &r.mark, nil
}

func markNumber(text string, least int, into *int) bool {
	n, err := strconv.Atoi(text)
	*into = n
	return err == nil && n >= least && n <= maxMarkNumber
}

func markTime(text string, into *time.Duration) bool {
	t, problem := parseTime([]byte(text))
	*into = t
	return problem == ""
}
