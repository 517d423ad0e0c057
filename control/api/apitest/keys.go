package apitest

import (
	"slices"

	"github.com/weirproxy/weir/control"
)

// firstKey is what the sticky cookie is signed with.
const firstKey = "0a1b"

func (c *Controller) rotateKeys(cmd control.RotateKeys) (control.Reply, error) {
	if len(c.view.Keys) > 1 {
		return control.Reply{}, refuse(control.Conflict, "`weir keys list` shows what it waits for", "a rotation is under way: key %s is known and does not sign yet", c.view.Keys[1].ID)
	}
	const id = "2c3d"
	text := "cookie key " + id + " is new; it signs once every node knows it, and " + firstKey + " verifies"
	revision := c.change(func(v *control.View, _ int64) {
		v.Keys = append(slices.Clone(v.Keys), control.KeyView{ID: id, State: control.KeyWaiting, Added: epoch, Lacking: []string{"edge-2"}})
		v.Audit = append([]control.AuditView{{At: epoch, Actor: cmd.Actor, Action: "rotate", Object: "keys/cookie", Text: text}}, v.Audit...)
	})
	return control.Reply{Revision: revision, Name: id, Text: text}, nil
}
