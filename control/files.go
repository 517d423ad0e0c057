package control

import (
	"errors"
	"time"

	"go.uber.org/zap"
)

// filesEvery is how often it is looked whether files of TLS can be used.
const filesEvery = time.Second

// watchFiles logs what is wrong with the files of TLS to endpoints, once.
func (c *Controller) watchFiles(now time.Time) {
	if now.Sub(c.filesSeen) < filesEvery {
		return
	}
	c.filesSeen = now
	text := ""
	if err := errors.Join(c.opts.Endpoints.TLSErrors()...); err != nil {
		text = err.Error()
	}
	if text != "" && text != c.filesWrong {
		c.log.Error("TLS files for endpoints cannot be used; the old ones stay in use, if there were any", zap.String("reason", text))
	}
	c.filesWrong = text
}
