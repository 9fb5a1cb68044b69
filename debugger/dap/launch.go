package dap

// launch.json has a history: configurations written for Delve and for Microsoft's
// C++ tools should work with type and program unchanged. What means nothing here
// (log settings, limits of those debuggers) is passed over; what means something
// that yore cannot do is refused by name.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Launch is what a launch request asks for, in yore's terms.
type Launch struct {
	// Recording is a recording or bundle to open; else Program is started.
	Recording string
	At        string // where on a recording to begin, as goto takes it

	Program    string
	Args       []string
	Dir        string
	Env        map[string]*string // added to the adapter's own; nil removes
	Mode       string             // of Delve: debug and test build a Go package, exec does not; "" or auto looks
	BuildFlags []string

	Stdin, Stdout, Stderr, TTY string

	StopOnEntry bool
	NoDebug     bool
	Console     string // internal, integrated, external

	Backend          string // gdb, delve, auto
	GDB              string
	Setup            []SetupCommand // before the program runs
	CheckpointEvery  time.Duration
	CheckpointMemory string // as the command line takes it

	paths pathRules
}

// SetupCommand is a command for the backend.
type SetupCommand struct {
	Text  string
	MayBe bool // its failure does not matter
}

// launchFile is the JSON of a launch request.
type launchFile struct {
	NoDebug bool `json:"noDebug"`

	// yore's own.
	Recording        string   `json:"recording"`
	At               string   `json:"at"`
	Backend          string   `json:"backend"`
	GDB              string   `json:"gdb"`
	Commands         []string `json:"commands"`
	CheckpointEvery  string   `json:"checkpointEvery"`
	CheckpointMemory string   `json:"checkpointMemory"`
	Stdin            string   `json:"stdin"`
	Stdout           string   `json:"stdout"`
	Stderr           string   `json:"stderr"`
	TTY              string   `json:"tty"`

	// Common to most.
	Program     string             `json:"program"`
	Args        words              `json:"args"`
	Cwd         string             `json:"cwd"`
	Env         map[string]*string `json:"env"`
	EnvFile     oneOrMore          `json:"envFile"`
	StopOnEntry bool               `json:"stopOnEntry"`
	Console     string             `json:"console"`

	// Delve's.
	Mode           string `json:"mode"`
	BuildFlags     words  `json:"buildFlags"`
	TraceDirPath   string `json:"traceDirPath"`
	CoreFilePath   string `json:"coreFilePath"`
	SubstitutePath []struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"substitutePath"`

	// cpptools'.
	StopAtEntry     bool `json:"stopAtEntry"`
	ExternalConsole bool `json:"externalConsole"`
	Environment     []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"environment"`
	SourceFileMap             map[string]json.RawMessage `json:"sourceFileMap"`
	SetupCommands             []setupFile                `json:"setupCommands"`
	PostRemoteConnectCommands []setupFile                `json:"postRemoteConnectCommands"`
	MIMode                    string                     `json:"MIMode"`
	MIDebuggerPath            string                     `json:"miDebuggerPath"`
	AdditionalSOLibSearchPath string                     `json:"additionalSOLibSearchPath"`
	CoreDumpPath              string                     `json:"coreDumpPath"`
	MIDebuggerServerAddress   string                     `json:"miDebuggerServerAddress"`
	ProcessID                 json.RawMessage            `json:"processId"`
}

type setupFile struct {
	Text           string `json:"text"`
	IgnoreFailures bool   `json:"ignoreFailures"`
}

// words is a list of strings, or one string of words in quotes where needed.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var list []any
	if json.Unmarshal(b, &list) == nil {
		*w = nil
		for _, v := range list {
			switch v := v.(type) {
			case string:
				*w = append(*w, v)
			case float64:
				*w = append(*w, strconv.FormatFloat(v, 'f', -1, 64))
			case bool:
				*w = append(*w, strconv.FormatBool(v))
			default:
				return fmt.Errorf("want strings in the list")
			}
		}
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errors.New("want a list of strings, or a string")
	}
	list2, err := splitWords(s)
	*w = list2
	return err
}

// oneOrMore is a list of strings, or a string.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*o = oneOrMore{s}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

// splitWords splits a string at blanks that are not in quotes or behind a
// backslash.
func splitWords(s string) ([]string, error) {
	var out []string
	var b strings.Builder
	quote, inWord := rune(0), false
	escaped := false
	for _, c := range s {
		switch {
		case escaped:
			b.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				b.WriteRune(c)
			}
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if inWord {
				out = append(out, b.String())
				b.Reset()
			}
			inWord = false
		default:
			b.WriteRune(c)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("%s: a quote is not closed", s)
	}
	if inWord {
		out = append(out, b.String())
	}
	return out, nil
}

// parseLaunch reads the arguments of a launch request. readFile is for envFile.
func parseLaunch(raw json.RawMessage, readFile func(string) ([]byte, error)) (Launch, error) {
	var f launchFile
	if len(raw) == 0 {
		raw = json.RawMessage("{}")
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return Launch{}, fmt.Errorf("launch: %w", err)
	}
	l := Launch{
		Recording: f.Recording, At: f.At, Program: f.Program, Args: f.Args, Dir: f.Cwd, Mode: f.Mode, BuildFlags: f.BuildFlags,
		Stdin: f.Stdin, Stdout: f.Stdout, Stderr: f.Stderr, TTY: f.TTY,
		StopOnEntry: f.StopOnEntry || f.StopAtEntry, NoDebug: f.NoDebug,
		GDB: f.GDB, CheckpointMemory: f.CheckpointMemory,
	}
	switch {
	case f.CoreFilePath != "" || f.CoreDumpPath != "" || f.Mode == "core":
		return l, errors.New("launch: a core file has no history; yore opens recordings")
	case f.Mode == "remote" || f.Mode == "local" || f.MIDebuggerServerAddress != "" || len(f.ProcessID) > 0 && string(f.ProcessID) != "null":
		return l, errors.New("launch: yore cannot attach, it records a program from its first instruction")
	case f.MIMode != "" && f.MIMode != "gdb":
		return l, fmt.Errorf("launch: MIMode %s: yore works with gdb", f.MIMode)
	}
	if l.Recording == "" {
		l.Recording = f.TraceDirPath
	}
	if f.Mode == "replay" && l.Recording == "" {
		l.Recording = "latest"
	}
	if l.GDB == "" {
		l.GDB = f.MIDebuggerPath
	}
	if l.Recording == "" && l.Program == "" {
		return l, errors.New("launch: there is neither a program nor a recording in the configuration")
	}
	switch f.Backend {
	case "", "auto", "gdb", "delve":
		l.Backend = f.Backend
	default: // of Delve's, which mean the platform's own
	}
	switch f.Console {
	case "", "internalConsole", "internal":
		l.Console = "internal"
		if f.ExternalConsole {
			l.Console = "external"
		}
	case "integratedTerminal", "integrated":
		l.Console = "integrated"
	case "externalTerminal", "external":
		l.Console = "external"
	default:
		return l, fmt.Errorf("launch: console %s: want internalConsole, integratedTerminal or externalTerminal", f.Console)
	}
	if f.CheckpointEvery != "" {
		d, err := time.ParseDuration(f.CheckpointEvery)
		if err != nil || d < 0 {
			return l, fmt.Errorf("launch: checkpointEvery %s: want a duration such as 200ms", f.CheckpointEvery)
		}
		l.CheckpointEvery = d
	}
	var err error
	if l.Env, err = f.environment(readFile); err != nil {
		return l, err
	}
	if l.paths, err = f.rules(); err != nil {
		return l, err
	}
	if f.AdditionalSOLibSearchPath != "" {
		l.Setup = append(l.Setup, SetupCommand{Text: "set solib-search-path " + strings.ReplaceAll(f.AdditionalSOLibSearchPath, ";", ":")})
	}
	for _, c := range append(f.SetupCommands, f.PostRemoteConnectCommands...) {
		if text := consoleCommand(c.Text); text != "" {
			l.Setup = append(l.Setup, SetupCommand{Text: text, MayBe: c.IgnoreFailures})
		}
	}
	for _, c := range f.Commands {
		l.Setup = append(l.Setup, SetupCommand{Text: c})
	}
	return l, nil
}

// environment merges the ways to say it; env wins over envFile.
func (f *launchFile) environment(readFile func(string) ([]byte, error)) (map[string]*string, error) {
	env := map[string]*string{}
	for _, name := range f.EnvFile {
		if name == "" {
			continue
		}
		if readFile == nil {
			readFile = os.ReadFile
		}
		text, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("launch: envFile: %w", err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "export "))
			if line == "" || line[0] == '#' {
				continue
			}
			k, v, ok := strings.Cut(line, "=")
			if !ok || strings.TrimSpace(k) == "" {
				return nil, fmt.Errorf("launch: %s:%d: want NAME=VALUE", name, i+1)
			}
			v = strings.TrimSpace(v)
			if n := len(v); n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n-1] == v[0] {
				v = v[1 : n-1]
			}
			env[strings.TrimSpace(k)] = &v
		}
	}
	for _, kv := range f.Environment {
		v := kv.Value
		env[kv.Name] = &v
	}
	for k, v := range f.Env {
		env[k] = v
	}
	for k := range env {
		if k == "" || strings.ContainsAny(k, "=\x00") {
			return nil, fmt.Errorf("launch: %q is no name of an environment variable", k)
		}
	}
	return env, nil
}

// rules reads substitutePath, from the editor's to the program's, and
// sourceFileMap, which goes the other way.
func (f *launchFile) rules() (pathRules, error) {
	var out pathRules
	for _, s := range f.SubstitutePath {
		out = append(out, pathRule{Built: s.To, Local: s.From})
	}
	var keys []string
	for k := range f.SourceFileMap {
		keys = append(keys, k)
	}
	// The longest first: it is the most particular.
	sort.Slice(keys, func(i, j int) bool {
		return len(keys[i]) > len(keys[j]) || len(keys[i]) == len(keys[j]) && keys[i] < keys[j]
	})
	for _, k := range keys {
		var local string
		var full struct {
			EditorPath string `json:"editorPath"`
		}
		raw := f.SourceFileMap[k]
		if json.Unmarshal(raw, &local) != nil {
			if err := json.Unmarshal(raw, &full); err != nil {
				return nil, fmt.Errorf("launch: sourceFileMap %s: want a path, or an object with editorPath", k)
			}
			local = full.EditorPath
		}
		if local != "" {
			out = append(out, pathRule{Built: filepath.Clean(k), Local: filepath.Clean(local)})
		}
	}
	return out, nil
}

// consoleCommand turns a setup command of cpptools, which may be of gdb's machine
// interface, into one of its console; "" when nothing need be done.
func consoleCommand(text string) string {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "-") {
		return text
	}
	verb, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch verb {
	case "-enable-pretty-printing":
		return "" // always on
	case "-gdb-set":
		return "set " + rest
	case "-environment-directory":
		return "directory " + rest
	case "-exec":
		return rest
	case "-interpreter-exec":
		if _, quoted, ok := strings.Cut(rest, "console "); ok {
			if s, err := strconv.Unquote(strings.TrimSpace(quoted)); err == nil {
				return s
			}
			return strings.Trim(strings.TrimSpace(quoted), `"`)
		}
	}
	return text // gdb will say that it does not know it
}
