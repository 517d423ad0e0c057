package route

import (
	"fmt"
	"strconv"
)

// Page is the body of an answer of weir's own. Immutable.
type Page struct {
	ContentType string
	Body        []byte
}

// Pages are an operator's bodies for answers of weir's own. Immutable once in
// use; nil has none.
type Pages struct {
	exact []statusPage
	class [6]*Page // by the first digit
}

type statusPage struct {
	status int
	page   *Page
}

// NewPages makes Pages of bodies by status, `404`, or class, `5xx`.
func NewPages(pages map[string]Page) (*Pages, error) {
	if len(pages) == 0 {
		return nil, nil
	}
	p := &Pages{}
	for key, page := range pages {
		if len(key) == 3 && key[1:] == "xx" && (key[0] == '4' || key[0] == '5') {
			p.class[key[0]-'0'] = &page
			continue
		}
		status, err := strconv.Atoi(key)
		if err != nil || status < 400 || status > 599 {
			return nil, fmt.Errorf("cannot answer status %q with a page: want 400 to 599, 4xx or 5xx", key)
		}
		p.exact = append(p.exact, statusPage{status, &page})
	}
	return p, nil
}

// Find returns the page of a status, or else of its class, or nil.
func (p *Pages) Find(status int) *Page {
	if p == nil || status < 400 || status > 599 {
		return nil
	}
	for i := range p.exact {
		if p.exact[i].status == status {
			return p.exact[i].page
		}
	}
	return p.class[status/100]
}
