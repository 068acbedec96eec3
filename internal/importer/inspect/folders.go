package inspect

import (
	"strings"

	"lotse/internal/importer"
)

// folders knows what the folders of a package are for.
type folders struct {
	roots    map[string]bool // where a medium begins
	programs map[string]bool // with a program in them
	code     map[string]bool // with scripts or styles of web pages in them
	objects  map[string]bool // with DICOM objects in them
	viewers  map[string]bool // what viewer found out
}

func newFolders() *folders {
	return &folders{roots: map[string]bool{"": true}, programs: map[string]bool{},
		code: map[string]bool{}, objects: map[string]bool{}}
}

// addRoot notes the folder that all files of the package have in common.
func (f *folders) addRoot(pkg importer.Package) {
	common, first := "", true
	for i := range pkg.Len() {
		file := pkg.File(i)
		if file.Refused != "" || strings.HasPrefix(file.Path, "__MACOSX/") {
			continue
		}
		dir := folder(file.Path)
		if first {
			common, first = dir, false
		}
		for !within(dir, common) {
			common = folder(common)
		}
	}
	f.roots[common] = true
}

// within reports whether dir is top or a folder in it.
func within(dir, top string) bool {
	return top == "" || dir == top || strings.HasPrefix(dir, top) && dir[len(top)] == '/'
}

// isRoot reports whether a medium, or an archive, begins at dir.
func (f *folders) isRoot(dir string) bool { return f.roots[dir] || strings.HasSuffix(dir, "!") }

// settle finds the folders of viewers: those that hold a program, are no root and
// have no DICOM objects in or below them.
func (f *folders) settle() {
	f.viewers = map[string]bool{}
	holding := map[string]bool{}
	for dir := range f.objects {
		for d := dir; !holding[d]; d = folder(d) {
			holding[d] = true
		}
	}
	for dir := range f.programs {
		if !f.isRoot(dir) && !holding[dir] {
			f.viewers[dir] = true
		}
	}
}

// anyAbove reports whether is holds for the folder of a file or one above it.
func anyAbove(path string, is func(dir string) bool) bool {
	for dir := folder(path); dir != ""; dir = folder(dir) {
		if is(dir) {
			return true
		}
	}
	return false
}

// reports tells a folder for reports by its name.
func reports(dir string) bool {
	name := strings.ToLower(base(dir))
	return strings.HasPrefix(name, "report") || strings.HasPrefix(name, "befund")
}

// pdi tells the folder that IHE PDI gives to the web pages of a medium.
func pdi(dir string) bool { return strings.EqualFold(base(dir), "IHE_PDI") }

func (f *folders) viewer(dir string) bool { return f.viewers[dir] }

// scripted tells a folder with scripts or styles of web pages.
func (f *folders) scripted(dir string) bool { return f.code[dir] && !f.isRoot(dir) }

// hasPicture reports whether a picture belongs to a viewer or a web page of the
// medium rather than to the exam.
func (f *folders) hasPicture(path string, tiny bool) bool {
	if anyAbove(path, reports) {
		return false
	}
	return tiny || anyAbove(path, f.viewer) || anyAbove(path, pdi) && anyAbove(path, f.scripted)
}

// hasPDF is hasPicture for a PDF.
func (f *folders) hasPDF(path string) bool {
	return !anyAbove(path, reports) && anyAbove(path, f.viewer)
}

// hasText is hasPicture for web pages and other text.
func (f *folders) hasText(path string) bool {
	return !anyAbove(path, reports) && (anyAbove(path, f.viewer) || anyAbove(path, pdi) || anyAbove(path, f.scripted))
}

// isIndex reports whether a text is the cover sheet of a medium.
func (f *folders) isIndex(path string) bool {
	if !f.isRoot(folder(path)) {
		return false
	}
	name := strings.ToLower(base(path))
	for _, known := range []string{"readme", "index", "liesmich", "lisezmoi", "leggimi", "start", "default"} {
		if strings.HasPrefix(name, known) {
			return true
		}
	}
	return false
}
