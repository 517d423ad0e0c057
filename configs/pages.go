package configs

import (
	"fmt"
	"maps"
	"mime"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrorPage is the body of an answer that weir gives itself. Exactly one of
// File and Body.
type ErrorPage struct {
	// File holds the body, relative to the document. A node reads it when it
	// starts, `weir apply` when it applies a service. Empty: none, there is
	// a body.
	File string `json:"file,omitempty" yaml:"file,omitempty"`

	// Body is the body itself. Empty: none, there is a file.
	Body string `json:"body,omitempty" yaml:"body,omitempty"`

	// ContentType is what the body is. Default: by the ending of the file,
	// and HTML in UTF-8 without one.
	ContentType string `json:"content_type,omitempty" yaml:"content_type,omitempty"`
}

const (
	maxPage  = 64 << 10  // bytes of one body
	maxPages = 256 << 10 // bytes of all bodies of one document
)

// checkPages checks bodies by status, `404`, or class, `5xx`.
func (r *report) checkPages(pages map[string]ErrorPage) {
	total := 0
	for _, status := range slices.Sorted(maps.Keys(pages)) {
		page, path := pages[status], field("errors", status)
		class := status == "4xx" || status == "5xx"
		if !class && (len(status) != 3 || !isDigits(status) || status < "400" || status > "599") {
			r.add(path, "write a status from 400 to 599, 4xx or 5xx", "%q is not the status of an error", status)
		}
		switch {
		case page.File == "" && page.Body == "":
			r.add(path, "write file: 502.html, or body and a text", "the page is empty")
		case page.File != "" && page.Body != "":
			r.add(path, "keep one of them", "the page has a file and a body")
		case len(page.Body) > maxPage:
			r.add(field(path, "body"), fmt.Sprintf("write at most %d", maxPage), "the page is %d bytes long", len(page.Body))
		}
		if kind := page.ContentType; kind != "" {
			if _, _, err := mime.ParseMediaType(kind); err != nil || !isFieldValue(kind) || !strings.Contains(kind, "/") || len(kind) > 256 {
				r.add(field(path, "content_type"), "write a type such as text/html; charset=utf-8", "%.80q is not a type of content", kind)
			}
		}
		total += len(page.Body)
	}
	if total > maxPages {
		r.add("errors", fmt.Sprintf("keep them within %d in all", maxPages), "the pages are %d bytes long", total)
	}
}

// unreadPages refuses pages whose files nobody read: a document that came
// through the API has no folder.
func (r *report) unreadPages(pages map[string]ErrorPage) {
	for _, status := range slices.Sorted(maps.Keys(pages)) {
		if page := pages[status]; page.File != "" {
			r.add(field(field("errors", status), "file"), "use weir apply, or write the page into body", "the file %q was not read", page.File)
		}
	}
}

// readPages replaces files by what they hold. It returns a new map, and changes
// nothing if there is an error.
func readPages(folder string, pages map[string]ErrorPage) (map[string]ErrorPage, error) {
	if len(pages) == 0 {
		return pages, nil
	}
	out := make(map[string]ErrorPage, len(pages))
	for _, status := range slices.Sorted(maps.Keys(pages)) {
		page := pages[status]
		if page.File != "" {
			file := page.File
			if !filepath.IsAbs(file) {
				file = filepath.Join(folder, file)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("cannot read the page of errors.%s: %w", status, err)
			}
			if len(data) == 0 || len(data) > maxPage {
				return nil, fmt.Errorf("cannot use the page %q of errors.%s: it is %d bytes long; write 1 to %d", page.File, status, len(data), maxPage)
			}
			if page.ContentType == "" {
				page.ContentType = mime.TypeByExtension(filepath.Ext(page.File))
			}
			page.Body, page.File = string(data), ""
		}
		if page.ContentType == "" {
			page.ContentType = "text/html; charset=utf-8"
		}
		out[status] = page
	}
	r := &report{}
	r.checkPages(out)
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return out, nil
}

// ReadPages reads the files of d's error pages, which lie relative to folder.
func (d *Document) ReadPages(folder string) (err error) {
	if d.Service != nil {
		d.Service.Errors, err = readPages(folder, d.Service.Errors)
	}
	if d.Node != nil {
		d.Node.Errors, err = readPages(folder, d.Node.Errors)
	}
	return err
}
