package delve

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
)

// query is what `goroutines` was asked.
type query struct {
	show    byte // u, r, g, s: the place shown
	depth   int  // of stacks, 0 for none
	labels  bool
	channel string // only those that wait for it
	filters []filter
	group   string
	exec    string
}

// filter keeps some goroutines.
type filter struct {
	wants func(*Backend, *proc.G) bool
}

func (q *query) wants(b *Backend, g *proc.G) bool {
	for _, f := range q.filters {
		if !f.wants(b, g) {
			return false
		}
	}
	return true
}

// kinds of places that filters and groups are about.
func placeBy(kind string) func(*Backend, *proc.G) proc.Location {
	switch kind {
	case "userloc":
		return func(_ *Backend, g *proc.G) proc.Location { return g.UserCurrent() }
	case "curloc":
		return func(_ *Backend, g *proc.G) proc.Location { return g.CurrentLoc }
	case "goloc":
		return func(_ *Backend, g *proc.G) proc.Location { return g.Go() }
	case "startloc":
		return func(b *Backend, g *proc.G) proc.Location { return g.StartLoc(b.target()) }
	}
	return nil
}

func (b *Backend) placeText(l proc.Location) string { return b.line(l) + " " + name(l.Fn) }

// states that filters and groups are about.
func stateBy(kind string) func(*Backend, *proc.G) bool {
	switch kind {
	case "running":
		return func(_ *Backend, g *proc.G) bool { return g.Thread != nil }
	case "user":
		return func(b *Backend, g *proc.G) bool { return !g.System(b.target()) }
	}
	return nil
}

// parseQuery reads the arguments of `goroutines`.
func parseQuery(args string) (query, error) {
	q := query{show: 'u'}
	words := strings.Fields(args)
	take := func() string {
		if len(words) == 0 || strings.HasPrefix(words[0], "-") {
			return ""
		}
		w := words[0]
		words = words[1:]
		return w
	}
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		switch w {
		case "-u", "-r", "-g", "-s":
			q.show = w[1]
		case "-l":
			q.labels = true
		case "-t":
			q.depth = 10
			if n, err := strconv.Atoi(take()); err == nil && n > 0 {
				q.depth = n
			}
		case "-chan":
			if q.channel = take(); q.channel == "" {
				return q, errors.New("goroutines -chan: want a channel")
			}
		case "-with", "-w", "-without":
			f, err := parseFilter(take(), take)
			if err != nil {
				return q, err
			}
			if w == "-without" {
				wants := f.wants
				f.wants = func(b *Backend, g *proc.G) bool { return !wants(b, g) }
			}
			q.filters = append(q.filters, f)
		case "-group":
			kind := take()
			if kind == "label" {
				kind += " " + take()
			} else if placeBy(kind) == nil && stateBy(kind) == nil {
				return q, fmt.Errorf("goroutines -group %s: want userloc, curloc, goloc, startloc, running, user or label KEY", kind)
			}
			q.group = kind
		case "-exec":
			q.exec, words = strings.Join(words, " "), nil
		default:
			return q, fmt.Errorf("goroutines %s: this option is not known", w)
		}
	}
	return q, nil
}

func parseFilter(kind string, take func() string) (filter, error) {
	if place := placeBy(kind); place != nil {
		text := take()
		if text == "" {
			return filter{}, fmt.Errorf("goroutines -with %s: want a part of the place", kind)
		}
		return filter{func(b *Backend, g *proc.G) bool { return strings.Contains(b.placeText(place(b, g)), text) }}, nil
	}
	if state := stateBy(kind); state != nil {
		return filter{state}, nil
	}
	if kind == "label" {
		key, value, exact := strings.Cut(take(), "=")
		return filter{func(_ *Backend, g *proc.G) bool {
			v, ok := g.Labels()[key]
			return ok && (!exact || v == value)
		}}, nil
	}
	return filter{}, fmt.Errorf("goroutines -with %s: want userloc, curloc, goloc, startloc, running, user or label", kind)
}

// groupOf is the name of a goroutine's group.
func (b *Backend) groupOf(kind string, g *proc.G) string {
	if place := placeBy(kind); place != nil {
		return b.placeText(place(b, g))
	}
	if state := stateBy(kind); state != nil {
		return fmt.Sprintf("%s: %v", kind, state(b, g))
	}
	key := strings.TrimPrefix(kind, "label ")
	return key + "=" + g.Labels()[key]
}
