package main

import (
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/diagnose"
)

// logs are the process's log and what is known of it.
type logs struct {
	*zap.Logger
	level *diagnose.Level // nil: it stays as it is
	lines *diagnose.Ring  // its last lines; nil: nobody keeps them
}

// newLogs returns a log on standard error, whose level can be changed.
func newLogs(l configs.Log) (logs, error) {
	configured, err := zapcore.ParseLevel(l.Level)
	if err != nil {
		return logs{}, usagef("log.level: %v", err)
	}
	format := l.Format
	if format == "" {
		format = "json"
		if term.IsTerminal(int(os.Stderr.Fd())) {
			format = "console"
		}
	}
	return logsTo(os.Stderr, configured, format), nil
}

// logsTo writes to out in a format, and keeps the last lines as JSON.
func logsTo(out zapcore.WriteSyncer, configured zapcore.Level, format string) logs {
	level, lines := diagnose.NewLevel(configured), &diagnose.Ring{}
	fields := zap.NewProductionEncoderConfig()
	fields.EncodeTime = zapcore.ISO8601TimeEncoder
	fields.EncodeDuration = zapcore.StringDurationEncoder
	fields.TimeKey = "time"
	// A node that is told to be quiet still remembers what it did.
	remembered := zap.LevelEnablerFunc(func(l zapcore.Level) bool { return l >= zapcore.InfoLevel || level.Enabled(l) })
	kept := zapcore.NewCore(zapcore.NewJSONEncoder(fields), lines, remembered)
	encoder := zapcore.NewJSONEncoder(fields)
	if format == "console" {
		fields.EncodeLevel = zapcore.CapitalColorLevelEncoder
		fields.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		encoder = zapcore.NewConsoleEncoder(fields)
	}
	core := zapcore.NewTee(zapcore.NewCore(encoder, zapcore.Lock(out), level), kept)
	return logs{Logger: zap.New(core), level: level, lines: lines}
}
