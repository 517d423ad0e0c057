package notify

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/release"
)

// KindForwarded is the kind of what a hub is told.
const KindForwarded = "forwarded"

// ClusterHeader names the cluster that forwards, so that the hub knows by which key
// the body is signed.
const ClusterHeader = "Weir-Cluster"

// Forward is a deployment or a release that a hub is told of.
type Forward struct {
	Deployment *release.Deployment `json:"deployment,omitempty"`

	// Release is the name of one, application/version. Its document is read when it
	// is delivered, so that an entry stays small; nil: the release is gone.
	Release  string           `json:"release,omitempty"`
	Document *configs.Release `json:"-"`
}

// Forwarded is the body of POST /v1/forwarded. Seq rises with what a cluster says of
// one deployment, so what comes late or twice does no harm. Fields may be added.
type Forwarded struct {
	Version    int                 `json:"version"` // of this form: 1
	Cluster    string              `json:"cluster"`
	Seq        int64               `json:"seq"`
	Deployment *release.Deployment `json:"deployment,omitempty"`
	Release    *configs.Release    `json:"release,omitempty"`
}

// HubWants reports whether a hub is told of an application.
func HubWants(h *configs.HubTarget, application string) bool {
	if len(h.Applications) == 0 {
		return true
	}
	for _, name := range h.Applications {
		if name == application {
			return true
		}
	}
	return false
}

// hub forwards an entry, signed like a webhook: see call.Sign.
func (s *Sender) hub(ctx context.Context, t *configs.HubTarget, e *Entry) error {
	body := Forwarded{Version: 1, Cluster: t.Cluster, Seq: int64(e.Seq)}
	switch f := e.Forward; {
	case f == nil: // a test: the hub checks who it is, and no more
	case f.Deployment != nil:
		d := *f.Deployment
		if d.Link == "" && d.Rollout != "" && s.PublicURL != "" {
			d.Link = strings.TrimSuffix(s.PublicURL, "/") + "/rollouts/" + url.PathEscape(d.Rollout)
		}
		body.Deployment = &d
	case f.Document != nil:
		body.Release = f.Document
	default:
		return fmt.Errorf("%w: the release was deleted", ErrRefused)
	}
	secret, err := s.secrets.Read(t.SecretFile)
	if err != nil {
		return err
	}
	return s.post(ctx, strings.TrimSuffix(t.URL, "/")+"/v1/forwarded", body, http.Header{ClusterHeader: {t.Cluster}, "Weir-Key": {e.ID}}, secret)
}
