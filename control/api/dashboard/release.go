package dashboard

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/changelog"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/release"
)

// releasePage shows one release: what is new, what is done with it, where it is.
type releasePage struct {
	api.Release
	Now      time.Time
	Doc      configs.Release
	Where    []environmentRow // those whose users are on it, or some of them
	Known    []string         // environments of the application, in order
	Tasks    []release.Task
	Sections []changelog.Section
	Log      []api.Deployment // newest first
}

func (d *Dashboard) release(r *request) (content, error) {
	application, version := r.PathValue("name"), r.PathValue("version")
	v, ok := r.view.Release(application, version)
	if !ok {
		return content{title: version}, notFound(fmt.Sprintf("There is no release %q of %q.", version, application))
	}
	board := r.view.Board()
	p := &releasePage{Release: api.ReleaseOf(v, board), Now: r.view.At, Doc: v.Document, Sections: changelog.Sections(v.Document.Changes)}
	app := api.ApplicationOf(board, application, release.DefaultEnvironment, 1, r.view.At)
	for _, e := range environmentsOf(board, &app) {
		p.Known = append(p.Known, e.Name)
		if e.Version == version || e.Candidate == version {
			p.Where = append(p.Where, e)
		}
	}
	for _, t := range board.Tasks(application) {
		if slices.ContainsFunc(v.Document.Tasks, func(own configs.Task) bool { return own.ID == t.ID }) {
			p.Tasks = append(p.Tasks, t)
		}
	}
	p.Log = slices.Clone(p.Deployments)
	slices.Reverse(p.Log)
	return content{title: application + " " + version, data: p}, nil
}
