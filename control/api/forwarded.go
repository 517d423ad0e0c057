package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/release"
)

// Bounds of what clusters forward.
const (
	signatureAge  = 5 * time.Minute // by which clocks may differ, and a call may be late
	leastKey      = 16
	maxForwarded  = 1 << 20
	maxForwardID  = 200
	maxForwardTxt = 500
	maxLink       = 2048
)

func (a *API) registerForwarded() {
	register(a, route{
		method: http.MethodPost, path: "/v1/forwarded", role: Nobody, id: "take-forwarded", tag: "releases", maxBody: maxForwarded,
		summary: "Take what another cluster deployed",
		description: "For the hub notifier of another weir that `control.clusters` of this node names, and for nobody else: the body is signed. " +
			"What is older than what is known, or was taken before, changes nothing.",
		body: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: a.schema(notify.Forwarded{}, "Forwarded")},
		}},
	}, a.takeForwarded)
}

type takeForwarded struct {
	Cluster   string `header:"Weir-Cluster" doc:"Which cluster forwards"`
	Signature string `header:"Weir-Signature" doc:"t=<seconds>,v1=<HMAC-SHA256 in hex>, by the key shared with it"`
	RawBody   []byte
}

// takeForwarded takes a deployment or a release of another cluster.
//
// Threat: the address is open to whoever reaches it, without a token. Nothing of the
// body is read before its signature holds, by a key that is that cluster's alone, in
// constant time; a recorded call is refused after minutes and changes nothing before,
// since each says which of its words it is. A cluster whose key is stolen can say what
// is deployed in that cluster, and name releases that this one does not know. It can
// neither read nor move traffic, nor write over another's or this one's own.
func (a *API) takeForwarded(ctx context.Context, in *takeForwarded) (*changed, error) {
	from, err := a.forwarder(in)
	if err != nil {
		return nil, err
	}
	var body notify.Forwarded
	if err := json.Unmarshal(in.RawBody, &body); err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "forward with a weir of about this release", "the body cannot be read: %s", err)
	}
	if body.Version != 1 || body.Cluster != from.Name {
		return nil, problem(http.StatusUnprocessableEntity, "forward with a weir of about this release", "the body is of version %d and cluster %q", body.Version, body.Cluster)
	}
	switch {
	case body.Deployment != nil:
		return a.takeDeployment(ctx, from, &body)
	case body.Release != nil:
		return a.takeRelease(ctx, from, body.Release)
	}
	return changedOf(control.Reply{Text: "cluster " + from.Name + " may forward"}, ""), nil
}

// forwarder is the cluster that signed a body. Why somebody is none is not said.
func (a *API) forwarder(in *takeForwarded) (*configs.Cluster, error) {
	i := slices.IndexFunc(a.Clusters, func(c configs.Cluster) bool { return c.Name == in.Cluster })
	unknown := problem(http.StatusUnauthorized, "name the cluster in control.clusters of this node, with the same key, and mind the clocks", "this is signed by no cluster that may forward")
	if i < 0 {
		return nil, unknown
	}
	from := &a.Clusters[i]
	secret, err := call.Secrets{Dir: a.Secrets}.Read(from.SecretFile)
	if err == nil && len(secret) < leastKey {
		err = problem(http.StatusServiceUnavailable, "make one with `openssl rand -base64 32`", "the key of cluster %s is shorter than %d characters", from.Name, leastKey)
	}
	if err != nil {
		a.Log.Warn("cluster cannot forward", zap.String("cluster", from.Name), zap.Error(err))
		return nil, problem(http.StatusServiceUnavailable, "see this node's log", "the key of cluster %s cannot be used here", from.Name)
	}
	if call.Verify(in.Signature, []byte(secret), in.RawBody, time.Now(), signatureAge) != nil {
		return nil, unknown
	}
	return from, nil
}

func (a *API) takeDeployment(ctx context.Context, from *configs.Cluster, body *notify.Forwarded) (*changed, error) {
	d := *body.Deployment
	d.Environment = environmentOf(from, d.Environment)
	d.By, d.Via, d.Reason = oneLine(d.By), oneLine(d.Via), oneLine(d.Reason)
	if wrong := foreign(&d); wrong != "" || body.Seq <= 0 {
		return nil, problem(http.StatusUnprocessableEntity, "forward with a weir of about this release", "cluster %s forwards a deployment whose %s cannot be", from.Name, wrong)
	}
	reply, err := a.do(ctx, control.TakeForwarded{Cluster: from.Name, Seq: body.Seq, Deployment: d})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}

// takeRelease takes a release that nobody here knows. One that is known stays: it is
// this cluster's, or came from another before.
func (a *API) takeRelease(ctx context.Context, from *configs.Cluster, doc *configs.Release) (*changed, error) {
	if problems := doc.Validate(); len(problems) > 0 {
		return nil, problem(http.StatusUnprocessableEntity, "forward with a weir of about this release", "the release of cluster %s cannot be: %s", from.Name, problems[0])
	}
	known := control.Reply{Name: doc.Application, Text: "release " + doc.Name() + " is known"}
	if _, there := a.Control.View().Release(doc.Application, doc.Version); there {
		return changedOf(known, ""), nil
	}
	reply, err := a.do(ctx, control.ApplyRelease{Document: *doc, IfMatch: -1, Forwarded: true, Actor: "cluster " + from.Name})
	if e, ok := errors.AsType[*control.Error](err); ok && e.Kind == control.Stale {
		return changedOf(known, ""), nil
	}
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}

// environmentOf is what an environment of another cluster is called here.
func environmentOf(from *configs.Cluster, theirs string) string {
	if ours, ok := from.Environments[theirs]; ok {
		return ours
	}
	return theirs + "-" + from.Name
}

// foreign names what cannot be of a deployment that came from elsewhere. Empty:
// everything can.
func foreign(d *release.Deployment) string {
	switch {
	case !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`).MatchString(d.ID) || len(d.ID) > maxForwardID:
		return "id"
	case !isDNSName(d.Application):
		return "application"
	case !isDNSName(d.Environment):
		return "environment"
	case d.Service != "" && !isDNSName(d.Service):
		return "service"
	case !regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`).MatchString(d.Version):
		return "version"
	case !slices.Contains(release.States(), d.State) || d.Weight < 0 || d.Weight > configs.Whole:
		return "state"
	case d.Link != "" && (len(d.Link) > maxLink || !regexp.MustCompile(`^https?://[^\s"'<>\\]+$`).MatchString(d.Link)):
		return "link"
	case d.StartedAt.IsZero():
		return "start"
	}
	return ""
}

// oneLine is text that another cluster wrote, as it may be shown.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, " "))
	return strings.ToValidUTF8(s[:min(len(s), maxForwardTxt)], "")
}

func isDNSName(s string) bool {
	return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`).MatchString(s)
}
