package diagnose

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap/zapcore"
)

// Level is the level of a node's log. It may be changed for a while, after which
// it falls back by itself. Safe for concurrent use.
type Level struct {
	configured zapcore.Level
	changed    atomic.Pointer[change] // nil: as configured
}

type change struct {
	level zapcore.Level
	until time.Time // zero: until the process ends
}

// NewLevel returns a level as the node file has it.
func NewLevel(configured zapcore.Level) *Level { return &Level{configured: configured} }

// Enabled reports whether lines of a level are written (zapcore.LevelEnabler).
func (l *Level) Enabled(of zapcore.Level) bool {
	level, _ := l.at(time.Now)
	return of >= level
}

// Now returns the level in force, and until when; zero: until it is changed.
func (l *Level) Now() (level zapcore.Level, until time.Time) { return l.at(time.Now) }

// Configured is the level that it falls back to.
func (l *Level) Configured() zapcore.Level { return l.configured }

// Set changes the level until a time; zero: until the process ends.
func (l *Level) Set(level zapcore.Level, until time.Time) {
	if level == l.configured {
		l.changed.Store(nil)
		return
	}
	l.changed.Store(&change{level, until})
}

// at looks at the clock only where a change runs out.
func (l *Level) at(now func() time.Time) (zapcore.Level, time.Time) {
	c := l.changed.Load()
	switch {
	case c == nil:
		return l.configured, time.Time{}
	case c.until.IsZero() || now().Before(c.until):
		return c.level, c.until
	}
	return l.configured, time.Time{}
}
