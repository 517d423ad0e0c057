package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
)

// topRow is one version; with -o json it is what scripts get.
type topRow struct {
	Service   string         `json:"service"`
	Version   string         `json:"version"`
	Role      string         `json:"role"`
	Weight    configs.Weight `json:"weight"`
	RPS       float64        `json:"rps"`
	ErrorRate float64        `json:"error_rate"` // 0 to 1
	P50       float64        `json:"p50_ms"`     // milliseconds; 0: no requests
	P99       float64        `json:"p99_ms"`
	InFlight  int64          `json:"in_flight"`
	Up        int            `json:"endpoints_up"`
	Endpoints int            `json:"endpoints"`
	Rollout   string         `json:"rollout"` // id of the one in force; empty: none
}

// topOrder is what rows are sorted by.
type topOrder string

// Orders; all but the name put the largest first.
const (
	byRequests topOrder = "requests"
	byErrors   topOrder = "errors"
	byP50      topOrder = "p50"
	byP99      topOrder = "p99"
	byInFlight topOrder = "inflight"
	byWeight   topOrder = "weight"
	byName     topOrder = "name"
)

func topOrders() []topOrder {
	return []topOrder{byRequests, byErrors, byP50, byP99, byInFlight, byWeight, byName}
}

func orderOf(s string) (topOrder, bool) {
	o := topOrder(strings.ToLower(s))
	return o, slices.Contains(topOrders(), o)
}

// compare orders two rows; those that are equal by name.
func (o topOrder) compare(a, b *topRow) int {
	d := 0
	switch o {
	case byRequests:
		d = cmp.Compare(b.RPS, a.RPS)
	case byErrors:
		d = cmp.Or(cmp.Compare(b.ErrorRate, a.ErrorRate), cmp.Compare(b.RPS, a.RPS))
	case byP50:
		d = cmp.Compare(b.P50, a.P50)
	case byP99:
		d = cmp.Compare(b.P99, a.P99)
	case byInFlight:
		d = cmp.Compare(b.InFlight, a.InFlight)
	case byWeight:
		d = cmp.Compare(b.Weight, a.Weight)
	}
	return cmp.Or(d, cmp.Compare(a.Service, b.Service), cmp.Compare(a.Version, b.Version))
}

// topView is what a person sees of all versions. It is changed by looks and keys.
type topView struct {
	rows   []topRow
	node   string
	at     time.Time // of the last good look; zero: none yet
	now    time.Time
	lost   error // why the last look failed; nil: it did not
	order  topOrder
	filter string
	typing bool // keys go to the filter
	first  int  // row at the top of the page
	page   int  // rows of the page that was drawn last
}

func (v *topView) take(l topLook, now time.Time) {
	v.now, v.lost = now, l.err
	if l.err != nil {
		return
	}
	v.at, v.node, v.rows = now, l.node, v.rows[:0]
	for i := range l.services {
		s := &l.services[i]
		for _, version := range s.Versions {
			row := topRow{
				Service: s.Name, Version: version.Name, Role: version.Role, Weight: version.Weight, RPS: version.RPS,
				ErrorRate: version.ErrorRate, P50: version.P50, P99: version.P99, Rollout: s.Rollout,
			}
			row.Up, row.Endpoints = upOf(version.Endpoints)
			for _, e := range version.Endpoints {
				row.InFlight += e.InFlight
			}
			v.rows = append(v.rows, row)
		}
	}
}

// shown are the rows that the filter keeps, in order; never nil.
func (v *topView) shown() []topRow {
	rows := make([]topRow, 0, len(v.rows))
	for _, r := range v.rows {
		if strings.Contains(strings.ToLower(r.Service+" "+r.Version), strings.ToLower(v.filter)) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b topRow) int { return v.order.compare(&a, &b) })
	return rows
}

// table is a title and all rows.
func (v *topView) table(width int) []line {
	rows := v.shown()
	return append([]line{v.title(rows)}, v.lines(rows, width)...)
}

// picture is the part of the table that fits the page, with what the keys do.
func (v *topView) picture(width, height int) []line {
	rows := v.shown()
	lines := v.lines(rows, width)
	v.page = max(height-4, 1) // title, head, an empty line and the footer
	v.first = min(max(v.first, 0), max(len(rows)-v.page, 0))
	picture := []line{v.title(rows)}
	if len(rows) == 0 {
		picture = append(picture, lines...)
	} else {
		picture = append(append(picture, lines[0]), lines[1+v.first:1+min(v.first+v.page, len(rows))]...)
	}
	return append(picture, nil, v.footer(len(rows)))
}

func (v *topView) title(rows []topRow) line {
	services := make(map[string]bool)
	rps, errors := 0., 0.
	for i := range rows {
		services[rows[i].Service] = true
		rps += rows[i].RPS
		errors += rows[i].RPS * rows[i].ErrorRate
	}
	if rps > 0 {
		errors /= rps
	}
	return line{
		{"weir " + v.node, bold}, {"  " + v.at.Local().Format(time.TimeOnly), faint},
		{fmt.Sprintf("  %s, %s req/s, ", plural(len(services), "service"), count(uint64(rps+.5))), plain},
		{percent(errors), errorInk(errors)}, {" errors, by " + string(v.order), plain},
	}
}

func (v *topView) lines(rows []topRow, width int) []line {
	if len(rows) == 0 {
		if len(v.rows) == 0 {
			return []line{textLine("There are no services. Make one with `weir apply -f FILE`.")}
		}
		return []line{textLine(fmt.Sprintf("No service or version has %q in its name.", v.filter))}
	}
	t := &table{width: width}
	var head []piece
	for _, name := range []string{"SERVICE", "VERSION", "ROLE", "WEIGHT", "REQ/S", "ERRORS", "P50", "P99", "IN FLIGHT", "UP", "ROLLOUT"} {
		head = append(head, piece{name, faint})
	}
	t.put(head...)
	t.yieldWhole("ROLLOUT", "P50", "ROLE", "UP", "IN FLIGHT").yield("VERSION", "SERVICE")
	for i := range rows {
		r := &rows[i]
		look := plain
		if r.RPS == 0 && r.Weight == 0 {
			look = faint
		}
		t.put(piece{r.Service, bold}, piece{r.Version, look}, piece{r.Role, look}, piece{r.Weight.String(), look}, piece{fmt.Sprintf("%.0f", r.RPS), look},
			piece{percent(r.ErrorRate), errorInk(r.ErrorRate)}, piece{millis(r.P50), look}, piece{millis(r.P99), look},
			piece{fmt.Sprint(r.InFlight), look}, piece{fmt.Sprintf("%d/%d", r.Up, r.Endpoints), upInk(r.Up, r.Endpoints)}, piece{orDash(r.Rollout), look})
	}
	return t.lines()
}

func (v *topView) footer(rows int) line {
	switch {
	case v.typing:
		return line{{"filter: " + v.filter, bold}, {"█", plain}, {"  Enter keeps it, Esc drops it", faint}}
	case v.lost != nil:
		return line{{fmt.Sprintf("no answer for %s, trying again: %v", span(v.now.Sub(v.at)), v.lost), bad}}
	}
	text := "sort: r e 5 9 i w n   / filter   q end"
	if v.filter != "" {
		text = fmt.Sprintf("filter: %s   ", v.filter) + text
	}
	if rows > v.page {
		text = fmt.Sprintf("%d-%d of %d   ", v.first+1, min(v.first+v.page, rows), rows) + text
	}
	return line{{text, faint}}
}

// press changes the view by a key. It reports whether the person is done.
func (v *topView) press(k key) (done bool) {
	if v.typing {
		v.edit(k)
		return k == keyInterrupt
	}
	orders := map[key]topOrder{"r": byRequests, "e": byErrors, "5": byP50, "9": byP99, "i": byInFlight, "w": byWeight, "n": byName}
	if order, ok := orders[k]; ok {
		v.order, v.first = order, 0
		return false
	}
	switch k {
	case "q", keyInterrupt:
		return true
	case "/":
		v.typing = true
	case keyEscape:
		v.filter = ""
	case keyUp, "k":
		v.first--
	case keyDown, "j":
		v.first++
	case keyPageUp, "b":
		v.first -= v.page
	case keyPageDown, " ":
		v.first += v.page
	}
	return false
}

// edit is a key while the filter is written.
func (v *topView) edit(k key) {
	switch {
	case k == keyEnter:
		v.typing = false
	case k == keyEscape:
		v.typing, v.filter = false, ""
	case k == keyBackspace:
		if n := len(v.filter); n > 0 {
			v.filter = v.filter[:n-1]
		}
	case len(k) == 1 && k[0] > ' ' && k[0] <= '~' && len(v.filter) < 60: // names are ASCII
		v.filter += string(k)
	}
	v.first = 0
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(uint64(n)) + " " + what + "s"
}
