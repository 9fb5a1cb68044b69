package pack

import (
	"fmt"
	"regexp"
	"slices"

	"yore/engine/bundle"
	"yore/engine/trace"
)

const redacted = "[redacted]"

// hide takes out of the description and the manifest what is not to be handed on.
// Paths by which files are found stay, and so does everything that is replayed: the
// manifest says so.
func (p *packer) hide(meta *trace.Meta) {
	if p.NoEnv {
		meta.Env = nil
		p.m.Hidden = append(p.m.Hidden, "the environment was left out of this description; the program's memory has it")
	}
	if len(p.Redact) == 0 {
		return
	}
	n := 0
	clean := func(s string) string {
		for _, r := range p.Redact {
			s = r.ReplaceAllStringFunc(s, func(string) string {
				n++
				return redacted
			})
		}
		return s
	}
	list := func(in []trace.Str) []trace.Str {
		out := slices.Clone(in)
		for i := range out {
			out[i] = trace.Str(clean(string(out[i])))
		}
		return out
	}
	meta.Args, meta.Env, meta.Cwd = list(meta.Args), list(meta.Env), trace.Str(clean(string(meta.Cwd)))
	texts := func(in []string) []string {
		out := slices.Clone(in)
		for i := range out {
			out[i] = clean(out[i])
		}
		return out
	}
	meta.Frames, meta.Notes = texts(meta.Frames), texts(meta.Notes)
	if meta.Ended != nil {
		e := *meta.Ended
		e.Error = clean(e.Error)
		meta.Ended = &e
	}
	p.m.Note, p.m.Name = clean(p.m.Note), clean(p.m.Name)
	p.m.LeftOut = slices.Clone(p.m.LeftOut)
	for i := range p.m.LeftOut {
		p.m.LeftOut[i].Path = trace.Str(clean(string(p.m.LeftOut[i].Path)))
	}
	p.m.Session = cleanSession(p.m.Session, clean, texts)
	p.m.Hidden = append(p.m.Hidden, fmt.Sprintf("%d places of this description, by pattern; paths of files and what the program read, wrote and held in memory are as they were, since replay needs them", n))
}

// cleanSession returns a copy of s with its texts cleaned; positions stay.
func cleanSession(s bundle.Session, clean func(string) string, texts func([]string) []string) bundle.Session {
	s.Breakpoints, s.Bookmarks, s.Stops = slices.Clone(s.Breakpoints), slices.Clone(s.Bookmarks), slices.Clone(s.Stops)
	for i := range s.Breakpoints {
		b := &s.Breakpoints[i]
		b.Condition, b.Commands = clean(b.Condition), texts(b.Commands)
	}
	for i := range s.Bookmarks {
		s.Bookmarks[i].Name, s.Bookmarks[i].What = clean(s.Bookmarks[i].Name), clean(s.Bookmarks[i].What)
	}
	for i := range s.Stops {
		s.Stops[i].Command, s.Stops[i].What = clean(s.Stops[i].Command), clean(s.Stops[i].What)
	}
	return s
}

// Patterns compiles patterns for Options.Redact.
func Patterns(list []string) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	for _, p := range list {
		r, err := regexp.Compile(p)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
