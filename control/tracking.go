package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// Bounds of one entry of the outbox for a tracker.
const (
	movesAnEntry = 500
	bareMoves    = 96 << 10 // bytes from which tasks go without titles and links
)

// cause is what moves tasks.
type cause struct {
	application string
	id          string // tells it from others: of a rollout, a report, a release
	at          time.Time
	about       notify.Moves
}

// choose returns the notifiers that somebody chooses, by name.
func (m *mirror) choose(chosen func(*configs.Notifier) bool) []*configs.Notifier {
	var all []*configs.Notifier
	for _, name := range slices.Sorted(maps.Keys(m.notifiers)) {
		if n := m.notifiers[name].value; chosen(&n) {
			all = append(all, &n)
		}
	}
	return all
}

// moveTasks adds to a transaction what trackers are told of a rollout's move.
func (c *Controller) moveTasks(txn *store.Txn, ch change) {
	doc := c.mirror.services[ch.after.Service.Name].value
	after := ch.after.Rollout
	if _, counts := release.FromRollout(&after, &doc); !counts {
		return
	}
	about := notify.Moves{Rollout: after.ID, Actor: ch.actor, Link: after.Plan.Meta["pipeline"]}
	c.tellTrackers(txn, cause{cmp.Or(doc.Application, doc.Name), after.ID, ch.at, about}, func(s *situation) {
		s.rollouts = slices.DeleteFunc(s.rollouts, func(r *rollout.State) bool { return r.ID == after.ID })
		s.rollouts = slices.Insert(s.rollouts, 0, &after)
		slices.SortStableFunc(s.rollouts, func(a, b *rollout.State) int { return b.StartedAt.Compare(a.StartedAt) })
		for i := range s.services {
			if s.services[i].document.Name == doc.Name {
				s.services[i].state = ch.after.Service
			}
		}
	})
}

// reported is what a report does to the situation.
func reported(d release.Deployment) func(*situation) {
	return func(s *situation) {
		s.deployments = append(slices.DeleteFunc(s.deployments, func(o release.Deployment) bool { return o.ID == d.ID }), d)
	}
}

// tellTrackers adds to a transaction an entry for each tracker that is to hear which
// tasks go elsewhere with it. Who is told never keeps a change from being written:
// what does not fit is dropped, and logged.
func (c *Controller) tellTrackers(txn *store.Txn, why cause, happen func(*situation)) {
	trackers := c.mirror.choose(func(n *configs.Notifier) bool { return n.Tracker != nil })
	if len(trackers) == 0 {
		return
	}
	s := c.situation(why.application)
	before := s.board()
	happen(s)
	moves := release.Moves(before, s.board(), why.application)
	if len(moves) == 0 {
		return
	}
	out := c.letters(txn)
	for _, n := range trackers {
		part := 0
		for some := range slices.Chunk(notify.TrackerWants(n.Tracker, why.application, moves), movesAnEntry) {
			if !out.add(c.movesEntry(why, n.Name, some, part)) {
				return
			}
			part++
		}
	}
}

func (c *Controller) movesEntry(why cause, name string, moves []release.Move, part int) notify.Entry {
	size := 0
	for i := range moves {
		size += len(moves[i].Title) + len(moves[i].Link)
	}
	if size > bareMoves {
		moves = slices.Clone(moves)
		for i := range moves {
			moves[i].Title, moves[i].Link = "", ""
		}
	}
	about := why.about
	about.Application, about.Tasks = why.application, moves
	id := why.id
	if part > 0 {
		id = fmt.Sprintf("%s.%d", id, part)
	}
	stream := "tasks:" + why.application
	return notify.Entry{
		ID: notify.InStream(stream, c.mirror.revision, id), Stream: stream, Seq: uint64(c.mirror.revision), To: notify.ToNotifier(name),
		Kind: notify.KindTasks, At: why.at, Moves: &about, Event: notify.Event{Text: about.Sentence()},
	}
}

// refresh makes a dead letter that is sent again say where its tasks are by now: what
// it said then may have been overtaken.
func (c *Controller) refresh(e *notify.Entry) {
	if e.Moves == nil {
		return
	}
	places := map[string]map[string]release.TaskPlace{}
	for _, t := range c.situation(e.Moves.Application).board().Tasks(e.Moves.Application) {
		places[t.ID] = t.Environments
	}
	for i := range e.Moves.Tasks {
		m := &e.Moves.Tasks[i]
		if place, ok := places[m.ID][m.Environment]; ok {
			m.Place = place
		}
	}
	e.Event.Text = e.Moves.Sentence()
}

// tryTracker says what a tracker would be sent for a task, and what on this node
// stands in the way of it. Nothing is sent.
func (c *Controller) tryTracker(n *configs.Notifier) (Reply, error) {
	v := c.View()
	about := notify.Moves{Application: "shop", Rollout: "shop-20260312-1401-4c2aq"}
	task, version := configs.Task{ID: "SHOP-12", Title: "Sample", Link: "https://tracker.example.com/SHOP-12"}, "v1.5.0"
	for i := len(v.Releases) - 1; i >= 0; i-- {
		d := &v.Releases[i].Document
		at := slices.IndexFunc(d.Tasks, func(t configs.Task) bool { return notify.TrackerKnows(n.Tracker, d.Application, t.ID) })
		if at >= 0 {
			about.Application, task, version = d.Application, d.Tasks[at], d.Version
			break
		}
	}
	for _, s := range n.Tracker.States {
		place := release.TaskPlace{State: release.TaskState(s.State)}
		if place.State == release.TaskDeploying {
			place.Weight = configs.Whole / 10
		}
		environment := s.Environment
		if environment == "" && place.State != release.TaskMerged {
			environment = release.DefaultEnvironment
		}
		about.Tasks = append(about.Tasks, release.Move{Task: task, Release: version, Environment: environment, Place: place})
	}
	lines, err := notify.DryRun(n.Tracker, &notify.Entry{Kind: notify.KindTasks, At: c.clock(), Moves: &about})
	if err != nil {
		return Reply{}, refuse(Undelivered, "change the tracker's templates, or the tasks that it is told of", "cannot make the requests of tracker %q for task %s: %v", n.Name, task.ID, err)
	}
	return Reply{
		Name: n.Name, Changes: lines, Warnings: c.CheckNotifier(n),
		Text: fmt.Sprintf("nothing was sent; tracker %s would be told of task %s like this", n.Name, task.ID),
	}, nil
}
