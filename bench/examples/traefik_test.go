//go:build e2e

package examples

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/weirproxy/weir/configs"
)

// routing says who gets what, a line each, in words that both sides have.
func routing(name, host, path, strip, cookie, probe string, versions map[string]string) []string {
	lines := []string{fmt.Sprintf("%s: host %s path %s strip %q cookie %q probe %q", name, host, path, strip, cookie, probe)}
	for version, is := range versions {
		lines = append(lines, name+" "+version+": "+is)
	}
	return lines
}

// weirRouting is what documents of weir say.
func weirRouting(documents []configs.Document) (lines []string) {
	for _, d := range documents {
		s := d.Service
		cookie, probe := "", ""
		if s.Sticky != nil && s.Sticky.By == "cookie" {
			cookie = s.Sticky.Cookie.Name
		}
		if s.Health != nil {
			probe = s.Health.Path + " " + s.Health.Interval.String()
		}
		versions := map[string]string{}
		for name, v := range s.Versions {
			weight := s.Weights[name].String()
			if len(s.Weights) == 0 && name == s.Stable {
				weight = "100%"
			}
			versions[name] = weight + " " + strings.Join(v.Endpoints, " ")
		}
		for _, r := range s.Routes {
			path := r.Path
			if path == "" {
				path = "/"
			}
			lines = append(lines, routing(s.Name, r.Host, path, r.StripPrefix, cookie, probe, versions)...)
		}
	}
	slices.Sort(lines)
	return lines
}

// traefik is a dynamic configuration.
type traefik struct {
	HTTP struct {
		Routers map[string]struct {
			Rule, Service string
			Middlewares   []string
		}
		Middlewares map[string]struct {
			StripPrefix struct{ Prefixes []string } `yaml:"stripPrefix"`
		}
		Services map[string]traefikService
	}
}

type traefikService struct {
	Weighted struct {
		Services []struct {
			Name   string
			Weight int
		}
		Sticky struct{ Cookie struct{ Name string } }
	}
	LoadBalancer struct {
		Servers     []struct{ URL string }
		HealthCheck struct{ Path, Interval string } `yaml:"healthCheck"`
	} `yaml:"loadBalancer"`
}

// endpoints are the addresses of a load balancer, and its probe.
func (s traefikService) endpoints() (addresses, probe string) {
	var all []string
	for _, server := range s.LoadBalancer.Servers {
		all = append(all, strings.TrimPrefix(server.URL, "http://"))
	}
	check := s.LoadBalancer.HealthCheck
	return strings.Join(all, " "), strings.TrimSpace(check.Path + " " + check.Interval)
}

// routing is what the configuration says. A weighted service is a service with
// versions; any other has one, v1.
func (c *traefik) routing(t *testing.T) (lines []string) {
	t.Helper()
	rule := regexp.MustCompile("^Host\\(`([^`]+)`\\)(?: && PathPrefix\\(`([^`]+)`\\))?$")
	for name, router := range c.HTTP.Routers {
		m := rule.FindStringSubmatch(router.Rule)
		if m == nil {
			t.Fatalf("cannot read the rule %q", router.Rule)
		}
		path, strip := m[2], ""
		if path == "" {
			path = "/"
		}
		for _, middleware := range router.Middlewares {
			strip += strings.Join(c.HTTP.Middlewares[middleware].StripPrefix.Prefixes, " ")
		}
		s := c.HTTP.Services[router.Service]
		versions := map[string]string{}
		all, probe := s.endpoints()
		if all != "" {
			versions["v1"] = "100% " + all
		}
		whole := 0
		for _, part := range s.Weighted.Services {
			whole += part.Weight
		}
		for _, part := range s.Weighted.Services {
			all, probe = c.HTTP.Services[part.Name].endpoints()
			weight := configs.Weight(part.Weight * int(configs.Whole) / whole)
			versions[strings.TrimPrefix(part.Name, router.Service+"-")] = weight.String() + " " + all
		}
		lines = append(lines, routing(name, m[1], path, strip, s.Weighted.Sticky.Cookie.Name, probe, versions)...)
	}
	slices.Sort(lines)
	return lines
}

func TestMigrate_FromTraefik(t *testing.T) {
	var before traefik
	check(t, yaml.Unmarshal([]byte(read(t, "examples/migrate/traefik/before.yml")), &before))
	was, is := before.routing(t), weirRouting(documents(t, "migrate/traefik/services.yaml"))
	if !slices.Equal(was, is) || len(was) != 5 {
		t.Errorf("Traefik was told\n  %s\nand weir is\n  %s", strings.Join(was, "\n  "), strings.Join(is, "\n  "))
	}

	clients, node := address(t), address(t)
	dir := install(t, "migrate/traefik", "127.0.0.1:8081", clients, "127.0.0.1:9797", node, "/var/lib/weir/etcd", "etcd", "10.0.0.0/24", "127.0.0.0/8",
		"10.0.1.11:8080, 10.0.1.12:8080", echo(t, "blue"), "10.0.2.11:8080", echo(t, "green"), "10.0.3.11:8080", echo(t, "v1"))
	run(t, dir, clients, "http://"+node, "")
	after := newSite(t, clients)
	const page = "http://shop.example.com/"
	after.stay(page, after.divides(page, "green", .10))
	if got := after.answer(page + "search/q"); got.uri != "/q" {
		t.Errorf("the endpoint of search saw %+v", got)
	}
}
