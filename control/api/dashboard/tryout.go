package dashboard

import (
	"cmp"
	"strings"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/release"
)

// tryout is a user that somebody makes up on the page of a flag.
type tryout struct {
	Key, Carries, Environment string
	Tried                     *control.Tried // nil: nobody asked, or this node does not evaluate the flag
}

// tryOut evaluates a flag for the user that a page was asked about. What the user
// carries counts wherever a rule looks: as attribute, header, cookie and in the
// query.
func (d *Dashboard) tryOut(r *request, flag string) tryout {
	q := r.URL.Query()
	t := tryout{
		Key: strings.TrimSpace(q.Get("key")), Carries: strings.TrimSpace(q.Get("carries")),
		Environment: cmp.Or(strings.TrimSpace(q.Get("environment")), release.DefaultEnvironment),
	}
	if t.Key == "" && t.Carries == "" {
		return t
	}
	carried := map[string]string{}
	for _, one := range strings.Fields(t.Carries) {
		name, value, _ := strings.Cut(one, "=")
		carried[name] = value
	}
	who := control.Tryout{Key: t.Key, Environment: t.Environment, Attributes: carried, Headers: carried, Cookies: carried, Query: carried}
	if got, ok := d.api.Control.TryFlag(flag, who); ok {
		t.Tried = &got
	}
	return t
}
