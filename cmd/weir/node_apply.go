package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
)

// apply creates the documents that the node file names, where they are absent.
func (n *node) apply(ctx context.Context) error {
	for _, file := range n.config.Apply {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("cannot apply: %w", err)
		}
		documents, err := configs.Decode(file, data)
		if err != nil {
			return err
		}
		for _, d := range documents {
			if err := d.ReadPages(filepath.Dir(file)); err != nil {
				return fmt.Errorf("cannot apply %q at start: %w", file, err)
			}
			switch d.Kind() {
			case configs.KindService:
				err = n.create(ctx, *d.Service)
			case configs.KindNotifier:
				err = n.createNotifier(ctx, *d.Notifier)
			case configs.KindFreeze:
				err = n.createFreeze(ctx, *d.Freeze)
			case configs.KindFlag:
				err = n.createFlag(ctx, *d.Flag)
			default:
				return fmt.Errorf("cannot apply %q at start: it holds a %s; only services, notifiers, freezes and flags are created at start", file, d.Kind())
			}
			if err != nil {
				return fmt.Errorf("cannot apply %q at start: %w", file, err)
			}
		}
	}
	return nil
}

func (n *node) create(ctx context.Context, doc configs.Service) error {
	if _, ok := n.controller.View().Service(doc.Name); ok {
		reply, err := n.controller.Do(ctx, control.ApplyService{Document: doc, DryRun: true, Actor: "node file"})
		if err != nil || len(reply.Changes) > 0 {
			n.log.Warn("service in the state differs from the file, and stays", zap.String("service", doc.Name),
				zap.Strings("differences", reply.Changes), zap.Error(err), zap.String("hint", "weir apply -f FILE changes it"))
		}
		return nil
	}
	if n.controller.View().Store.Source == "disk" {
		n.log.Warn("service not created: etcd cannot be reached", zap.String("service", doc.Name))
		return nil
	}
	return n.createNew(ctx, control.ApplyService{Document: doc, IfMatch: -1, Actor: "node file"})
}

func (n *node) createNotifier(ctx context.Context, doc configs.Notifier) error {
	there, ok := n.controller.View().Notifier(doc.Name)
	if !ok {
		for _, warning := range n.controller.CheckNotifier(&doc) {
			n.log.Warn("notifier cannot work yet", zap.String("notifier", doc.Name), zap.String("reason", warning))
		}
	}
	return n.createUnless(ctx, ok, ok && reflect.DeepEqual(there.Document, doc), "notifier", doc.Name, control.ApplyNotifier{Document: doc, IfMatch: -1, Actor: "node file"})
}

func (n *node) createFreeze(ctx context.Context, doc configs.Freeze) error {
	there, ok := n.controller.View().Freeze(doc.Name)
	return n.createUnless(ctx, ok, ok && reflect.DeepEqual(there.Document, doc), "freeze", doc.Name, control.ApplyFreeze{Document: doc, IfMatch: -1, Actor: "node file"})
}

func (n *node) createFlag(ctx context.Context, doc configs.Flag) error {
	there, ok := n.controller.View().Flag(doc.Name)
	return n.createUnless(ctx, ok, ok && reflect.DeepEqual(there.Document, doc), "flag", doc.Name, control.ApplyFlag{Document: doc, IfMatch: -1, Actor: "node file"})
}

// createUnless creates what is not there, and says so where what is there differs.
func (n *node) createUnless(ctx context.Context, there, same bool, kind, name string, cmd control.Command) error {
	switch {
	case there && same:
		return nil
	case there:
		n.log.Warn(kind+" in the state differs from the file, and stays", zap.String(kind, name), zap.String("hint", "weir apply -f FILE changes it"))
		return nil
	case n.controller.View().Store.Source == "disk":
		n.log.Warn(kind+" not created: etcd cannot be reached", zap.String(kind, name))
		return nil
	}
	return n.createNew(ctx, cmd)
}

// createNew carries out a command that is refused as stale if the object exists.
func (n *node) createNew(ctx context.Context, cmd control.Command) error {
	reply, err := n.controller.Do(ctx, cmd)
	var refused *control.Error
	if errors.As(err, &refused) && refused.Kind == control.Stale {
		return nil // another node was first
	}
	if err == nil {
		n.log.Info(reply.Text)
	}
	return err
}
