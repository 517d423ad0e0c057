package configs

import "strings"

// trackerPresets are the names of those that stand ready.
func trackerPresets() []string { return []string{"jira", "jira-labels", "github", "gitscrum"} }

// preset is a tracker that stands ready, as templates like any other.
type preset struct {
	url      string
	tasks    string
	project  bool // it needs one
	label    bool // words are labels: without a weight, since what was set could not be removed
	requests []TrackerRequest
}

const issueKey = `[A-Z][A-Z0-9_]*-[0-9]+`

// presetOf returns the preset of t; the zero preset: it has none.
func presetOf(t *TrackerTarget) preset {
	first, second, _ := strings.Cut(t.Project, "/")
	switch t.Preset {
	case "jira":
		return jira()
	case "jira-labels":
		return jiraLabels()
	case "github":
		return github(first, second)
	case "gitscrum":
		return gitscrum(first, second)
	}
	return preset{}
}

// jira moves an issue by what Jira Cloud's REST API v3 has for it: the transitions
// that the workflow offers from where the issue is, of which the one that leads to
// the status of that name is made. An issue that is there already has none to it in
// most workflows, and is left alone.
func jira() preset {
	issue := "/rest/api/3/issue/{{task.id}}/transitions"
	return preset{tasks: issueKey, requests: []TrackerRequest{
		{Method: "GET", Path: issue, Take: []TrackerTake{{As: "transition", From: "transitions", Where: "to.name", Is: "{{word}}"}}},
		{Method: "POST", Path: issue, Body: `{"transition": {"id": "{{taken.transition}}"}}`},
	}}
}

// jiraLabels edits an issue: adding a label that is there and removing one that is
// not change nothing in Jira.
func jiraLabels() preset {
	issue := "/rest/api/3/issue/{{task.id}}?notifyUsers=false"
	return preset{tasks: issueKey, label: true, requests: []TrackerRequest{
		{Method: "PUT", Path: issue, Body: `{"update": {"labels": [{"remove": "{{other}}"}]}}`, Each: eachOther},
		{Method: "PUT", Path: issue, Body: `{"update": {"labels": [{"add": "{{word}}"}]}}`},
	}}
}

// github labels an issue or a pull request of one repository by GitHub's REST API of
// 2022-11-28. A label that the repository lacks is made by that.
func github(owner, name string) preset {
	labels := "/repos/" + owner + "/" + name + "/issues/{{task.number}}/labels"
	headers := map[string]string{"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
	return preset{url: "https://api.github.com", tasks: `(#|GH-)?[0-9]+`, project: true, label: true, requests: []TrackerRequest{
		{Method: "DELETE", Path: labels + "/{{other}}", Headers: headers, Accept: []int{404}, Each: eachOther},
		{Method: "POST", Path: labels, Headers: headers, Body: `{"labels": ["{{word}}"]}`},
	}}
}

// gitscrum moves a task to a column of its project's board: its code is looked up,
// then the column, by the calls that GitScrum's own command line and tools make.
func gitscrum(workspace, project string) preset {
	return preset{url: "https://services.gitscrum.com", tasks: issueKey, project: true, requests: []TrackerRequest{
		{Method: "GET", Path: "/tasks/by-code/{{task.id}}", Take: []TrackerTake{{As: "task", From: "data.uuid"}}},
		{
			Method: "GET", Path: "/project-templates/workflow?project_slug=" + project + "&company_slug=" + workspace,
			Take: []TrackerTake{{As: "column", From: "data", Where: "title", Is: "{{word}}"}},
		},
		{Method: "PUT", Path: "/tasks/{{taken.task}}", Body: `{"workflow_id": {{taken.column}}}`},
	}}
}
