package api

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/weirproxy/weir/configs"
)

// decodeService reads the document of a PUT; its name must be the path's.
func decodeService(contentType string, data []byte, name string) (*configs.Service, error) {
	doc, err := decodeOne(contentType, configs.KindService, data)
	if err != nil {
		return nil, err
	}
	if doc.Service.Name != name {
		return nil, problem(http.StatusUnprocessableEntity, "put it to /v1/services/"+doc.Service.Name+", or change its name",
			"the document is of service %q, and the path of %q", doc.Service.Name, name)
	}
	return doc.Service, nil
}

func decodeRollout(contentType string, data []byte) (*configs.Rollout, error) {
	doc, err := decodeOne(contentType, configs.KindRollout, data)
	if err != nil {
		return nil, err
	}
	return doc.Rollout, nil
}

// decodeOne reads a body that is a document. JSON and YAML are told apart by
// their text; the type is only asked whether it is one of them.
func decodeOne(contentType string, kind configs.Kind, data []byte) (configs.Document, error) {
	if !isDocument(contentType) {
		return configs.Document{}, problem(http.StatusUnsupportedMediaType, "send application/json or application/yaml",
			"a document cannot come as %q", contentType)
	}
	doc, err := configs.DecodeOne("", kind, data)
	if err == nil {
		return doc, nil
	}
	p := problem(http.StatusUnprocessableEntity, "each problem begins with its line and column; `weir check FILE` finds the same",
		"the %s document has problems; nothing was changed", kind)
	var problems configs.Problems
	if !errors.As(err, &problems) {
		return configs.Document{}, err
	}
	for _, one := range problems {
		p.Problems = append(p.Problems, one.String())
	}
	return configs.Document{}, p
}

// isDocument reports whether a Content-Type may carry a document. curl's
// default for --data is let through: people use it.
func isDocument(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch mediaType {
	case "application/json", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain",
		"application/x-www-form-urlencoded", "application/octet-stream":
		return true
	}
	return strings.HasSuffix(mediaType, "+json") || strings.HasSuffix(mediaType, "+yaml")
}
