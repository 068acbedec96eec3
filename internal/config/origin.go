package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Origin says where the value of a key comes from; the zero value is the default.
type Origin struct {
	File     string // the file of the configuration, with Line
	Line     int
	Variable string // the environment variable
	Derived  string // the key it follows
}

// String names the place: a file with its line, a variable, or default.
func (o Origin) String() string {
	switch {
	case o.Variable != "":
		return o.Variable
	case o.File != "":
		return o.File + ":" + strconv.Itoa(o.Line)
	case o.Derived != "":
		return "follows " + o.Derived
	}
	return "default"
}

// Origins has an entry for each key that is not a default. The members of lists
// have keys like dicom.callers[0].ae_title.
type Origins map[string]Origin

// Fault is one thing that is wrong with the configuration.
type Fault struct {
	Key     string // empty where it is about the whole file
	Origin  Origin
	Message string // what is wrong and what to do; never a secret
}

// String is one line: place, key, message.
func (f Fault) String() string {
	line := f.Message
	if f.Key != "" {
		line = f.Key + ": " + line
	}
	if f.Origin != (Origin{}) {
		line = f.Origin.String() + ": " + line
	}
	return line
}

// Error is everything that is wrong with a configuration. It is permanent: nothing
// but a change of the configuration mends it.
type Error struct{ Faults []Fault }

// Error lists the faults, one in each line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "configuration: %d fault(s)", len(e.Faults))
	for _, f := range e.Faults {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}
