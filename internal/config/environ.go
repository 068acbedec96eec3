package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
)

// prefix begins every variable.
const prefix = "LOTSE_"

// Variable is the environment variable of a key: LOTSE_DATABASE_URL for database.url.
func Variable(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// otherVariables are those that belong to commands and not to the configuration.
func otherVariables() []string {
	return []string{"LOTSE_CONFIG", "LOTSE_PASSWORD", "LOTSE_SAMPLES", "LOTSE_SERVER", "LOTSE_TOKEN"}
}

// orchestrated matches the variables that Kubernetes and Docker make for services
// whose name begins with lotse (LOTSE_SERVICE_HOST, LOTSE_PORT_8080_TCP_ADDR …).
const orchestrated = `^LOTSE_([A-Z0-9_]+_)?(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?|NAME|ENV_.*)$`

// readEnviron reads the variables of environ ("NAME=value"). Empty ones count as not
// set.
func readEnviron(environ []string, secrets secretFiles) *layer {
	l := newLayer()
	known, names := map[string]setting{}, []string{}
	for _, s := range settings() {
		known[Variable(s.key)] = s
		names = append(names, Variable(s.key))
	}
	foreign := regexp.MustCompile(orchestrated)
	provider := env.Provider("", env.Opt{
		Prefix:      prefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			if slices.Contains(otherVariables(), name) || value == "" {
				return "", nil
			}
			return name, value
		},
	})
	variables, err := provider.Read()
	if err != nil {
		l.fault("", Origin{}, "reading the environment: %s", err)
		return l
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		text, _ := variables[name].(string)
		s, ok := known[name]
		if !ok {
			s, ok = known[strings.TrimSuffix(name, "_FILE")]
			if ok = ok && s.secret(); ok {
				l.secretFile(s, name, text, secrets)
				continue
			}
		}
		switch {
		case ok:
			l.variable(s, name, text)
		case !foreign.MatchString(name):
			l.unknownVariable(name, names)
		}
	}
	return l
}

// variable takes the value of a variable.
func (l *layer) variable(s setting, name, text string) {
	if s.members != nil {
		l.fault(s.key, Origin{Variable: name}, "has no variable; write it into the file, as in lotse.example.yaml")
		return
	}
	var v any
	var err error
	if s.list() {
		v, err = s.parseList(strings.Split(text, ","))
	} else {
		v, err = s.parse(text)
	}
	if err != nil {
		l.fault(s.key, Origin{Variable: name}, "%s", err)
		return
	}
	l.values[s.key], l.origins[s.key] = v, Origin{Variable: name}
}

// secretFile takes a secret from the file that a variable names.
func (l *layer) secretFile(s setting, name, path string, secrets secretFiles) {
	if _, both := l.values[s.key]; both {
		l.fault(s.key, Origin{Variable: name}, "is given besides %s; leave one out", Variable(s.key))
		return
	}
	secret, err := secrets(path)
	if err != nil {
		l.fault(s.key, Origin{Variable: name}, "%s", err)
		return
	}
	l.values[s.key], l.origins[s.key] = secret, Origin{Variable: name}
}

// unknownVariable notes a variable that means nothing.
func (l *layer) unknownVariable(name string, names []string) {
	hint := "unset it"
	if near := nearest(name, names); near != "" {
		hint = "perhaps " + near + " is meant"
	}
	l.fault("", Origin{Variable: name}, "there is no such variable; %s", hint)
}
