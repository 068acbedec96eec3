package inspect

import (
	"strings"

	"lotse/internal/importer"
)

// settleDirectories compares what the DICOMDIRs list with what is there.
func (c *collector) settleDirectories() {
	if len(c.indexes) == 0 {
		return
	}
	there := make(map[string]bool, c.pkg.Len())
	for i := range c.pkg.Len() {
		there[comparable(c.pkg.File(i).Path)] = true
	}
	for _, d := range c.indexes {
		switch {
		case d.broken != "":
			c.notes.directory(d.item, importer.Warning, d.broken)
		case len(d.quirks) > 0:
			c.notes.directory(d.item, importer.Info, strings.Join(d.quirks, ", "))
		}
		c.absent(d, there)
	}
}

// absent notes the files that one DICOMDIR lists and the package lacks.
func (c *collector) absent(d index, there map[string]bool) {
	dir := folder(c.pkg.File(int(d.item)).Path)
	var examples []string
	count := 0
	for _, name := range d.listed {
		path := listedAt(dir, name)
		if there[path] {
			continue
		}
		there[path] = true // each is missed once
		if count++; count <= maxExamples {
			examples = append(examples, printable(name))
		}
	}
	if count > 0 {
		c.notes.single(importer.FindingListedAbsent, importer.Warning, d.item, count, strings.Join(examples, ", "))
	}
}

// printable takes control characters out of a name from the medium.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
