package grafana

import "strings"

// All are weir's dashboards.
func All() []Dashboard {
	return []Dashboard{overview(), service(), release(), variants(), node()}
}

// source is the data source that the person chose.
func source() *Source { return &Source{Type: "prometheus", UID: "${datasource}"} }

func newDashboard(name, title, description string, variables []Variable, panels ...[]Panel) Dashboard {
	d := Dashboard{
		UID: "weir-" + name, Title: "weir / " + title, Description: description, Tags: []string{"weir"},
		SchemaVersion: 39, Version: 1, Editable: true, GraphTooltip: 1, Refresh: "10s", Timezone: "browser",
		Time: Range{From: "now-1h", To: "now"},
		Templating: Templating{List: append([]Variable{{
			Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus", Refresh: 1, Options: []any{},
		}}, variables...)},
		Annotations: Annotations{List: []Annotation{}},
		Links:       []Link{{Title: "weir", Type: "dashboards", Tags: []string{"weir"}, IncludeVars: true, KeepTime: true}},
	}
	y := 0
	for _, line := range panels {
		x, height := 0, 0
		for _, p := range line {
			p.ID, p.Grid.X, p.Grid.Y = len(d.Panels)+1, x, y
			d.Panels = append(d.Panels, p)
			x, height = x+p.Grid.W, max(height, p.Grid.H)
		}
		y += height
	}
	return d
}

// variable is one of the values of a label.
func variable(name, label, metric, of string) Variable {
	query := "label_values(" + metric + ", " + of + ")"
	return Variable{
		Name: name, Label: label, Type: "query", Source: source(), Definition: query,
		Query: VariableQuery{Query: query, RefID: "StandardVariableQuery"}, Refresh: 2, Sort: 1, Options: []any{},
	}
}

// line is a row of panels of one height that share the width.
func line(height int, panels ...Panel) []Panel {
	for i := range panels {
		panels[i].Grid = Grid{H: height, W: 24 / len(panels)}
	}
	return panels
}

// section begins one.
func section(title string) []Panel {
	return []Panel{{Type: "row", Title: title, Grid: Grid{H: 1, W: 24}}}
}

// ask is a query of a panel over time: its expression and its legend.
func ask(expr, legend string) Target {
	return Target{Source: source(), Expr: trim(expr), Legend: legend, Range: true, Format: "time_series"}
}

// trim makes one line of an expression.
func trim(expr string) string { return strings.Join(strings.Fields(expr), " ") }

func panel(kind, title, unit string, options any, targets []Target) Panel {
	for i := range targets {
		targets[i].RefID = string(rune('A' + i))
	}
	return Panel{
		Type: kind, Title: title, Source: source(), Targets: targets, Options: options,
		FieldConfig: &FieldConfig{
			Defaults: Field{
				Unit: unit, Color: Color{Mode: "palette-classic"}, Mappings: []Mapping{},
				Thresholds: Thresholds{Mode: "absolute", Steps: []Threshold{{Color: "green"}}},
			},
			Overrides: []any{},
		},
	}
}

type object map[string]any

// graph shows values over time.
func graph(title, unit string, targets ...Target) Panel {
	p := panel("timeseries", title, unit, object{
		"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
		"tooltip": object{"mode": "multi", "sort": "desc"},
	}, targets)
	p.FieldConfig.Defaults.Custom = object{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 5, "showPoints": "never", "spanNulls": false}
	return p
}

// shares is a graph of what adds up to one, in steps.
func shares(title string, targets ...Target) Panel {
	p := graph(title, "percentunit", targets...)
	p.FieldConfig.Defaults.Max, p.FieldConfig.Defaults.Min = number(1), number(0)
	p.FieldConfig.Defaults.Custom = object{
		"drawStyle": "line", "lineInterpolation": "stepAfter", "lineWidth": 1, "fillOpacity": 30, "showPoints": "never",
		"stacking": object{"mode": "normal", "group": "A"},
	}
	return p
}

// stat shows the last value as a number.
func stat(title, unit string, targets ...Target) Panel {
	return panel("stat", title, unit, object{
		"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		"colorMode":     "value", "graphMode": "area", "justifyMode": "auto", "textMode": "auto", "orientation": "auto",
	}, targets)
}

// states shows what holds when, a line for each series whose value is 1.
func states(title string, targets ...Target) Panel {
	p := panel("state-timeline", title, "", object{
		"mergeValues": true, "showValue": "never", "alignValue": "left", "rowHeight": 0.8,
		"legend": object{"displayMode": "list", "placement": "bottom", "showLegend": false}, "tooltip": object{"mode": "single", "sort": "none"},
	}, targets)
	p.FieldConfig.Defaults.Custom = object{"lineWidth": 0, "fillOpacity": 80}
	return p.words(map[string]Mapped{"0": {Text: "no", Color: "transparent"}, "1": {Text: "yes", Color: "blue", Index: 1}})
}

// table shows the labels of what there is now.
func table(title, unit string, hidden []string, targets ...Target) Panel {
	for i := range targets {
		targets[i].Instant, targets[i].Range, targets[i].Format = true, false, "table"
	}
	p := panel("table", title, unit, object{"showHeader": true, "cellHeight": "sm"}, targets)
	without := object{"Time": true}
	for _, h := range hidden {
		without[h] = true
	}
	p.Transforms = []Transform{{ID: "organize", Options: object{"excludeByName": without, "indexByName": object{}, "renameByName": object{}}}}
	return p
}

func number(v float64) *float64 { return &v }

// says gives the panel a text that its corner shows.
func (p Panel) says(text string) Panel {
	p.Description = text
	return p
}

// from colours values from a threshold on.
func (p Panel) from(value float64, color string) Panel {
	steps := &p.FieldConfig.Defaults.Thresholds.Steps
	*steps = append(*steps, Threshold{Color: color, Value: number(value)})
	p.FieldConfig.Defaults.Color.Mode = "thresholds"
	return p
}

// words are shown for values.
func (p Panel) words(options map[string]Mapped) Panel {
	p.FieldConfig.Defaults.Mappings = []Mapping{{Type: "value", Options: options}}
	return p
}

// named shows the name of the series, not its value.
func (p Panel) named() Panel {
	p.Options.(object)["textMode"] = "name"
	p.Options.(object)["graphMode"] = "none"
	return p
}

// logarithmic spreads small values.
func (p Panel) logarithmic() Panel {
	p.FieldConfig.Defaults.Custom.(object)["scaleDistribution"] = object{"type": "log", "log": 10}
	return p
}

// limited draws a line at a value.
func (p Panel) limited(at float64) Panel {
	steps := &p.FieldConfig.Defaults.Thresholds.Steps
	*steps = append(*steps, Threshold{Color: "red", Value: number(at)})
	p.FieldConfig.Defaults.Custom.(object)["thresholdsStyle"] = object{"mode": "line"}
	return p
}
