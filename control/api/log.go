package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
)

// LogLevel is the level of this node's log.
type LogLevel struct {
	Node       string     `json:"node" doc:"The node that answers: each has a log of its own"`
	Level      string     `json:"level" enum:"debug,info,warn,error" doc:"In force"`
	Configured string     `json:"configured" enum:"debug,info,warn,error" doc:"Of the node file, which it falls back to"`
	Until      *time.Time `json:"until,omitempty" doc:"When it falls back; absent: when it is changed, or the process ends"`
}

// SetLogLevel is a change of it.
type SetLogLevel struct {
	Level string           `json:"level" enum:"debug,info,warn,error"`
	For   configs.Duration `json:"for,omitempty" doc:"How long, such as 10m; left out: until it is changed, or the process ends"`
}

// longestLogChange bounds a change that says how long it lasts.
const longestLogChange = 7 * 24 * time.Hour

func (a *API) registerLog() {
	if a.Level == nil {
		return
	}
	register(a, route{
		method: http.MethodGet, path: "/v1/log", role: Viewer, id: "get-log", tag: "diagnosis",
		summary: "Read the level of the log", description: "Of the node that answers.",
	}, a.getLog)
	register(a, route{
		method: http.MethodPut, path: "/v1/log", role: Admin, id: "put-log", tag: "diagnosis",
		summary: "Change the level of the log",
		description: "Of the node that answers, at once and without the state; it is not kept over a restart. " +
			"The change is in the audit trail, unless the state cannot be written.",
	}, a.putLog)
}

type logLevel struct {
	Body LogLevel
}

func (a *API) getLog(context.Context, *none) (*logLevel, error) {
	level, until := a.Level.Now()
	out := LogLevel{Node: a.Control.View().Node, Level: level.String(), Configured: a.Level.Configured().String()}
	if !until.IsZero() {
		out.Until = &until
	}
	return &logLevel{Body: out}, nil
}

type putLog struct {
	Body SetLogLevel
}

func (a *API) putLog(ctx context.Context, in *putLog) (*changed, error) {
	level, err := zapcore.ParseLevel(in.Body.Level)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "write debug, info, warn or error", "there is no level %q", in.Body.Level)
	}
	lasts := in.Body.For.Std()
	if lasts < 0 || lasts > longestLogChange {
		return nil, problem(http.StatusUnprocessableEntity, "write up to 168h, or nothing", "a change of the level cannot last %s", lasts)
	}
	before, _ := a.Level.Now()
	text := fmt.Sprintf("level of the log: %s → %s", before, level)
	var until time.Time
	if lasts > 0 {
		until = time.Now().Add(lasts)
		text += " for " + in.Body.For.String()
	}
	a.Level.Set(level, until)
	reply := control.Reply{Text: text}
	reply.Warnings = a.note(ctx, "log level", text)
	return changedOf(reply, ""), nil
}

// note puts what was done to this node into the audit trail and the log. It is
// done already: that the state cannot be written is a warning.
func (a *API) note(ctx context.Context, action, text string) []string {
	ctx, cancel := context.WithTimeout(ctx, viewWait)
	defer cancel()
	_, err := a.Control.Do(ctx, control.Note{Action: action, Object: "nodes/" + a.Control.View().Node, Text: text, Actor: actorOf(ctx)})
	if err == nil {
		return nil
	}
	a.Log.Warn("not in the audit trail", zap.String("actor", actorOf(ctx)), zap.String("action", action), zap.String("text", text), zap.Error(err))
	return []string{"it is not in the audit trail: " + err.Error()}
}
