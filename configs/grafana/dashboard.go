// Package grafana holds weir's dashboards for Grafana as code. The JSON files
// beside it are made of them: `go test ./configs/grafana -rewrite`.
package grafana

// Dashboard is one dashboard as Grafana imports and provisions it (schema 39,
// Grafana 10 and newer). Only what weir's use is told.
type Dashboard struct {
	UID           string      `json:"uid"`
	Title         string      `json:"title"`
	Description   string      `json:"description"`
	Tags          []string    `json:"tags"`
	SchemaVersion int         `json:"schemaVersion"`
	Version       int         `json:"version"`
	Editable      bool        `json:"editable"`
	GraphTooltip  int         `json:"graphTooltip"` // 1: one crosshair for all panels
	Refresh       string      `json:"refresh"`
	Timezone      string      `json:"timezone"`
	Time          Range       `json:"time"`
	Templating    Templating  `json:"templating"`
	Annotations   Annotations `json:"annotations"`
	Links         []Link      `json:"links"`
	Panels        []Panel     `json:"panels"`
}

// Range is the time that is shown at first.
type Range struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Templating are the variables of a dashboard.
type Templating struct {
	List []Variable `json:"list"`
}

// Variable is what a person chooses at the top. Its first one is the data source.
type Variable struct {
	Name       string      `json:"name"`
	Label      string      `json:"label"`
	Type       string      `json:"type"` // datasource or query
	Source     *Source     `json:"datasource,omitempty"`
	Definition string      `json:"definition,omitempty"`
	Query      any         `json:"query"`
	Refresh    int         `json:"refresh"` // 1: when it is opened, 2: when the time changes
	Sort       int         `json:"sort"`    // 1: by name, 2: the other way round
	IncludeAll bool        `json:"includeAll"`
	Multi      bool        `json:"multi"`
	AllValue   string      `json:"allValue,omitempty"`
	Current    VariableNow `json:"current"`
	Options    []any       `json:"options"`
	Regex      string      `json:"regex"`
	Hide       int         `json:"hide"`
}

// VariableNow is what is chosen before anybody did. Empty: the first.
type VariableNow struct {
	Text  string `json:"text,omitempty"`
	Value string `json:"value,omitempty"`
}

// VariableQuery asks Prometheus for the values of a variable.
type VariableQuery struct {
	Query string `json:"query"`
	RefID string `json:"refId"`
}

// Annotations are marks on the time axis.
type Annotations struct {
	List []Annotation `json:"list"`
}

// Annotation marks every moment at which a query has a value.
type Annotation struct {
	Name        string  `json:"name"`
	Source      *Source `json:"datasource"`
	Enable      bool    `json:"enable"`
	IconColor   string  `json:"iconColor"`
	Expr        string  `json:"expr"`
	Step        string  `json:"step"`
	TitleFormat string  `json:"titleFormat"`
	TextFormat  string  `json:"textFormat"`
	TagKeys     string  `json:"tagKeys"`
}

// Link leads to the other dashboards.
type Link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	IncludeVars bool     `json:"includeVars"`
	KeepTime    bool     `json:"keepTime"`
}

// Source is a data source.
type Source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Panel is one picture, or a row that begins a section.
type Panel struct {
	ID          int          `json:"id"`
	Type        string       `json:"type"`
	Title       string       `json:"title"`
	Description string       `json:"description,omitempty"`
	Source      *Source      `json:"datasource,omitempty"`
	Grid        Grid         `json:"gridPos"`
	Targets     []Target     `json:"targets,omitempty"`
	FieldConfig *FieldConfig `json:"fieldConfig,omitempty"`
	Options     any          `json:"options,omitempty"`
	Transforms  []Transform  `json:"transformations,omitempty"`
	Collapsed   bool         `json:"collapsed"`
}

// Grid is where a panel stands; a line is 24 wide.
type Grid struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// Target is one query of a panel.
type Target struct {
	Source  *Source `json:"datasource"`
	RefID   string  `json:"refId"`
	Expr    string  `json:"expr"`
	Legend  string  `json:"legendFormat"`
	Instant bool    `json:"instant"`
	Range   bool    `json:"range"`
	Format  string  `json:"format"`
}

// FieldConfig says how values look.
type FieldConfig struct {
	Defaults  Field `json:"defaults"`
	Overrides []any `json:"overrides"`
}

// Field is a unit, bounds and colours.
type Field struct {
	Unit       string     `json:"unit,omitempty"`
	Min        *float64   `json:"min,omitempty"`
	Max        *float64   `json:"max,omitempty"`
	Decimals   *int       `json:"decimals,omitempty"`
	Color      Color      `json:"color"`
	Thresholds Thresholds `json:"thresholds"`
	Custom     any        `json:"custom,omitempty"`
	Mappings   []Mapping  `json:"mappings"`
}

// Color says how a colour is chosen.
type Color struct {
	Mode string `json:"mode"`
}

// Thresholds are values from which on a colour holds.
type Thresholds struct {
	Mode  string      `json:"mode"`
	Steps []Threshold `json:"steps"`
}

// Threshold is one of them. Nil holds from the beginning.
type Threshold struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// Mapping shows words for values.
type Mapping struct {
	Type    string            `json:"type"`
	Options map[string]Mapped `json:"options"`
}

// Mapped is what is shown for a value.
type Mapped struct {
	Text  string `json:"text"`
	Color string `json:"color"`
	Index int    `json:"index"`
}

// Transform changes what the queries gave before it is shown.
type Transform struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}
