package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds the file of the configuration and those of secrets.
const maxFile = 1 << 20

// layer is one source of values. It is a koanf.Provider.
type layer struct {
	values  map[string]any // by key with dots
	origins Origins
	faults  []Fault
}

func newLayer() *layer { return &layer{values: map[string]any{}, origins: Origins{}} }

// fault notes what is wrong at a key.
func (l *layer) fault(key string, o Origin, format string, args ...any) {
	l.faults = append(l.faults, Fault{Key: key, Origin: o, Message: fmt.Sprintf(format, args...)})
}

// reader turns a file's nodes into a layer.
type reader struct {
	*layer
	file    string
	secrets secretFiles
}

// readFile reads the text of the file named name.
func readFile(name string, text []byte, secrets secretFiles) *layer {
	r := &reader{newLayer(), name, secrets}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) { // nothing but comments
		return r.layer
	}
	if err == nil && !errors.Is(decoder.Decode(&more), io.EOF) {
		err = errors.New("there is more than one document; leave out what follows ---")
	}
	if err != nil {
		r.faults = append(r.faults, Fault{Message: name + ": is no YAML: " + err.Error()})
		return r.layer
	}
	known := map[string]setting{}
	for _, s := range settings() {
		known[s.key] = s
	}
	for _, n := range document.Content {
		r.mapping("", n, known)
	}
	return r.layer
}

// at is the place of a node.
func (r *reader) at(n *yaml.Node) Origin { return Origin{File: r.file, Line: n.Line} }

// mapping reads the keys below prefix (empty, or ending with a dot).
func (r *reader) mapping(prefix string, n *yaml.Node, known map[string]setting) {
	if n = target(n); n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fault(strings.TrimSuffix(prefix, "."), r.at(n), "here belong keys with their values, as in lotse.example.yaml")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], target(n.Content[i+1])
		key := prefix + name.Value
		if seen[key] {
			r.fault(key, r.at(name), "is there twice; leave one out")
			continue
		}
		seen[key] = true
		r.entry(key, name, value, known)
	}
}

// entry reads the value of one key.
func (r *reader) entry(key string, name, value *yaml.Node, known map[string]setting) {
	if s, ok := known[key]; ok {
		if value.Tag != "!!null" {
			r.value(s, key, name, value)
		}
		return
	}
	if s, ok := known[strings.TrimSuffix(key, "_file")]; ok && s.secret() {
		r.secretFile(s, name, value)
		return
	}
	if slices.ContainsFunc(keysOf(known), func(k string) bool { return strings.HasPrefix(k, key+".") }) {
		r.mapping(key+".", value, known)
		return
	}
	r.unknown(key, name, keysOf(known))
}

// unknown notes a key that does not exist.
func (r *reader) unknown(key string, name *yaml.Node, known []string) {
	hint := "leave it out"
	if near := nearest(key, withGroups(known)); near != "" {
		hint = "perhaps " + near + " is meant"
	}
	r.fault(key, r.at(name), "there is no such key; %s", hint)
}

// value reads the value of a setting.
func (r *reader) value(s setting, key string, name, n *yaml.Node) {
	var v any
	var err error
	switch {
	case s.members != nil:
		v = r.members(s, key, n)
	case s.list() && n.Kind == yaml.SequenceNode:
		var texts []string
		for _, item := range n.Content {
			if item = target(item); item.Kind != yaml.ScalarNode {
				r.fault(key, r.at(item), "its values are single texts")
				return
			}
			texts = append(texts, item.Value)
		}
		v, err = s.parseList(texts)
	case n.Kind != yaml.ScalarNode:
		r.fault(key, r.at(name), "has one value, not several")
		return
	case s.list():
		v, err = s.parseList(strings.Split(n.Value, ","))
	default:
		v, err = s.parse(n.Value)
	}
	if err != nil {
		r.fault(key, r.at(n), "%s", err)
		return
	}
	if _, both := r.values[s.key]; both {
		r.fault(key, r.at(name), "is given besides %s_file; leave one out", s.key)
		return
	}
	r.values[s.key], r.origins[s.key] = v, r.at(name)
}

// members reads a list of structs.
func (r *reader) members(s setting, key string, n *yaml.Node) any {
	list := []any{}
	if n.Kind != yaml.SequenceNode {
		r.fault(key, r.at(n), "is a list: each entry begins with \"- \", as in lotse.example.yaml")
		return list
	}
	known := map[string]setting{}
	for _, m := range s.members {
		known[m.key] = m
	}
	for i, item := range n.Content {
		one := &reader{newLayer(), r.file, r.secrets}
		one.mapping("", item, known)
		at := fmt.Sprintf("%s[%d]", s.key, i)
		for k, o := range one.origins {
			r.origins[at+"."+k] = o
		}
		r.origins[at] = r.at(item)
		for _, f := range one.faults {
			f.Key = strings.TrimSuffix(at+"."+f.Key, ".")
			r.faults = append(r.faults, f)
		}
		list = append(list, one.values)
	}
	return list
}

// secretFile reads a secret from the file that is named.
func (r *reader) secretFile(s setting, name, value *yaml.Node) {
	key := s.key + "_file"
	if value.Kind != yaml.ScalarNode {
		r.fault(key, r.at(name), "has one value, the name of a file")
		return
	}
	if value.Value == "" || value.Tag == "!!null" {
		return
	}
	if _, both := r.values[s.key]; both {
		r.fault(key, r.at(name), "is given besides %s; leave one out", s.key)
		return
	}
	secret, err := r.secrets(value.Value)
	if err != nil {
		r.fault(key, r.at(name), "%s", err)
		return
	}
	r.values[s.key], r.origins[s.key] = secret, r.at(name)
}

// target follows an alias.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// withGroups adds the names above the keys: database for database.url.
func withGroups(keys []string) []string {
	all := slices.Clone(keys)
	for _, k := range keys {
		for i := strings.LastIndex(k, "."); i > 0; i = strings.LastIndex(k[:i], ".") {
			all = append(all, k[:i])
		}
	}
	return all
}

func keysOf(known map[string]setting) []string {
	keys := make([]string, 0, len(known))
	for k := range known {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
