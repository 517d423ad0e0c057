package main

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/weirproxy/weir/bench/lab"
)

// application is what the API says of one.
type application struct {
	Name         string `json:"name"`
	Environments []struct {
		Name      string `json:"name"`
		Version   string `json:"version"`
		Candidate string `json:"candidate"`
		Weight    string `json:"weight"`
	} `json:"environments"`
	Pending []string `json:"pending"`
	Metrics delivery `json:"metrics"`
}

// task is a task with where it stands.
type task struct {
	ID           string `json:"id"`
	Environments map[string]struct {
		State  string `json:"state"`
		Weight string `json:"weight"`
	} `json:"environments"`
}

// stands waits until the API says what want does on all nodes: a table of
// environments, what they run, what is pending for them, and where each task is.
// Cells are separated by two spaces or more.
func (s *story) stands(want string) {
	if s.err != nil {
		return
	}
	for _, node := range s.nodes {
		var last [][]string
		s.awaits("what stands where", func() (bool, error) {
			got, err := placesOf(node.API)
			if err != nil {
				return false, err
			}
			last = got
			if !slices.EqualFunc(got, cells(want), slices.Equal) {
				return false, fmt.Errorf("the API says\n%s\nand the story\n%s", drawn(got), drawn(cells(want)))
			}
			return true, nil
		})
		if s.err == nil && node == s.nodes[0] {
			s.say("the API says")
			s.out.Printf("%s", drawn(last))
		}
	}
}

// placesOf reads the table from the API.
func placesOf(api *lab.API) ([][]string, error) {
	app, err := shopOf(api, "production")
	if err != nil {
		return nil, err
	}
	head, runs, pending := []string{""}, []string{"runs"}, []string{"pending"}
	for _, e := range app.Environments {
		head = append(head, e.Name)
		text := e.Version
		if e.Candidate != "" {
			text += ", " + cmp.Or(e.Weight, "waiting") + " " + e.Candidate
		}
		runs = append(runs, text)
		there, err := shopOf(api, e.Name)
		if err != nil {
			return nil, err
		}
		pending = append(pending, list(there.Pending))
	}
	rows := [][]string{head, runs, pending}
	var tasks []task
	if err := api.Get("/v1/applications/shop/tasks", &tasks); err != nil {
		return nil, err
	}
	for _, t := range tasks {
		row := []string{t.ID}
		for _, e := range head[1:] {
			place := t.Environments[e]
			if place.State == "deploying" {
				place.State = place.Weight
			}
			row = append(row, place.State)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

// shopOf is the application with what is pending for an environment, and the
// figures of it.
func shopOf(api *lab.API, environment string) (application, error) {
	var all []application
	if err := api.Get("/v1/applications?environment="+environment, &all); err != nil {
		return application{}, err
	}
	if len(all) != 1 || all[0].Name != "shop" {
		return application{}, fmt.Errorf("the API does not know application shop alone: %+v", all)
	}
	return all[0], nil
}

var gap = regexp.MustCompile(`\s{2,}`)

// cells reads a table as the story has it.
func cells(table string) [][]string {
	var rows [][]string
	for line := range strings.Lines(strings.TrimSpace(table)) {
		row := gap.Split(strings.TrimSpace(line), -1)
		if len(rows) == 0 {
			row = append([]string{""}, row...) // nothing stands above the names
		}
		rows = append(rows, row)
	}
	return rows
}

// drawn writes a table.
func drawn(rows [][]string) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(w, "           %s\n", strings.Join(row, "\t"))
	}
	_ = w.Flush() // a buffer takes everything
	return b.String()
}
