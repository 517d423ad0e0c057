package control

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/store"
)

// TakeForwarded notes what another cluster says of a deployment of its own. What is
// older than what it said before changes nothing.
type TakeForwarded struct {
	Cluster    string
	Seq        int64              // rises with what the cluster says of the deployment
	Deployment release.Deployment // with the cluster's ID and this node's environment
}

func (TakeForwarded) command() {}

// planForwarded notes a deployment of another cluster. Its ID is the cluster's name,
// a full stop, which no ID of weir's has, and the ID there: no cluster can write over
// what is another's.
func (c *Controller) planForwarded(cmd TakeForwarded, now time.Time) (plan, error) {
	d := cmd.Deployment
	d.ID, d.Cluster, d.Seq, d.Rollout = cmd.Cluster+"."+d.ID, cmd.Cluster, cmd.Seq, ""
	old, known := c.mirror.deploys[d.ID]
	if known && old.value.Seq >= d.Seq {
		return plan{reply: Reply{Name: d.Application, ID: d.ID, Text: fmt.Sprintf("deployment %s is known as it is since %d", d.ID, old.value.Seq)}}, nil
	}
	if err := completeReport(&d, &old.value, cmd.Cluster, now); err != nil {
		return plan{}, err
	}
	value, err := c.encode(old.raw, d)
	if err != nil {
		return plan{}, err
	}
	text := d.String()
	p := plan{write: true, reply: Reply{Name: d.Application, ID: d.ID, Created: !known, Text: text}, txn: store.Txn{
		If:   []store.Compare{store.ModRevision(store.DeploymentKey(d.ID), old.mod)},
		Then: []store.Op{store.Put(store.DeploymentKey(d.ID), value)},
	}}
	if old.value.State != d.State {
		p.txn.Then = append(p.txn.Then, c.audit(AuditView{
			At: now, Actor: "cluster " + cmd.Cluster, Action: "deployment " + string(d.State), Object: "deployments/" + d.ID, Text: text,
		}))
	}
	c.tellTrackers(&p.txn, cause{d.Application, d.ID, now, notify.Moves{Actor: d.By, Link: d.Link}}, reported(d))
	return p, nil
}

// forwardRollout adds to a transaction what hubs are told of a rollout's move.
func (c *Controller) forwardRollout(txn *store.Txn, ch change) {
	doc := c.mirror.services[ch.after.Service.Name].value
	before, _ := release.FromRollout(&ch.before.Rollout, &doc)
	after, counts := release.FromRollout(&ch.after.Rollout, &doc)
	if counts && before != after {
		c.tellHubs(txn, after.Application, "hub:"+after.ID, ch.at, notify.Forward{Deployment: &after})
	}
}

// tellHubs adds to a transaction an entry for each hub that is to hear of a
// deployment or a release. Those of one stream are delivered in order.
func (c *Controller) tellHubs(txn *store.Txn, application, stream string, at time.Time, f notify.Forward) {
	out := c.letters(txn)
	for _, n := range c.mirror.choose(func(n *configs.Notifier) bool { return n.Hub != nil && notify.HubWants(n.Hub, application) }) {
		e := notify.Entry{
			ID: notify.InStream(stream, c.mirror.revision, "hub"), Stream: stream, Seq: uint64(c.mirror.revision), To: notify.ToNotifier(n.Name),
			Kind: notify.KindForwarded, At: at, Forward: &f, Event: notify.Event{Text: forwarded(&f)},
		}
		if !out.add(e) {
			return
		}
	}
}

func forwarded(f *notify.Forward) string {
	if d := f.Deployment; d != nil {
		return d.String()
	}
	return "release " + f.Release
}

// streamOf is the stream of a release.
func streamOf(d *configs.Release) string {
	return "hub:" + strings.ReplaceAll(d.Name(), "/", ".")
}
