package inspect

import (
	"path"
	"slices"
	"strings"

	"lotse/dicom"
)

// Attributes of a DICOMDIR (PS3.3 §F.3).
const (
	recordSequence dicom.Tag = 0x00041220
	recordInUse    dicom.Tag = 0x00041410
	recordFileID   dicom.Tag = 0x00041500
)

// maxRecords bounds how many records of a DICOMDIR are followed.
const maxRecords = 200_000

// directory is what a DICOMDIR says.
type directory struct {
	listed []string // files, relative to the DICOMDIR, '/' between components
	broken string   // why it cannot be relied on, for technicians
	quirks []string // what is wrong with it, yet understood
}

// isDirectory recognises a DICOMDIR by its SOP class, or by its group 0004 when the
// class is wrong.
func isDirectory(meta, head *dicom.Dataset) bool {
	if meta != nil && meta.String(dicom.MediaStorageSOPClassUID) == mediaDirectory ||
		head.String(dicom.SOPClassUID) == mediaDirectory {
		return true
	}
	for e := range head.All() {
		if e.Tag.Group() > 4 {
			break
		}
		if e.Tag.Group() == 4 {
			return true
		}
	}
	return false
}

// readDirectory reads the records of a DICOMDIR whose head has been read.
func readDirectory(r *dicom.Reader) *directory {
	d := &directory{}
	if r.Meta() == nil || r.Meta().String(dicom.MediaStorageSOPClassUID) != mediaDirectory {
		d.quirks = append(d.quirks, "another SOP class")
	}
	var idle int // item that is not in use
	idle = -1
	record := func(n int, ds *dicom.Dataset, e *dicom.Element) {
		switch e.Tag {
		case recordInUse:
			if v, ok := ds.Int(recordInUse); ok && v == 0 {
				idle = n
			} else if s := ds.StringsOf(e); len(s) == 1 && s[0] == "0" {
				idle = n
			}
		case recordFileID:
			if n != idle {
				d.list(ds.StringsOf(e))
			}
		}
	}
	ds, err := r.Scan(func(p dicom.Path, item *dicom.Dataset, e *dicom.Element) {
		if len(p) == 2 && p[0].Tag == recordSequence {
			record(p[0].Item, item, e)
		}
	})
	switch {
	case err != nil:
		d.broken = technical(err)
		return d
	case r.Truncated():
		d.broken = "truncated " + at(r.Cut())
	case !ds.Has(recordSequence):
		d.broken = "no directory records"
	}
	for n, item := range ds.Items(recordSequence) {
		for e := range item.All() {
			record(n, item, e)
		}
	}
	return d
}

// list adds one referenced file. One of a single component may hide further ones
// behind separators that do not belong there.
func (d *directory) list(components []string) {
	whole := strings.Join(components, "/")
	if strings.Contains(whole, "\\") || len(components) == 1 && strings.Contains(whole, "/") {
		d.quirk("separators other than the backslash")
	}
	parts := strings.FieldsFunc(whole, func(c rune) bool { return c == '/' || c == '\\' })
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	if len(parts) == 0 {
		return
	}
	if len(d.listed) == maxRecords {
		d.broken = "more records than are followed"
		return
	}
	if slices.Contains(parts, "..") {
		d.quirk("references that climb out of the medium")
	}
	name := path.Join(parts...)
	if n := len(d.listed); n > 0 && d.listed[n-1] == name {
		return
	}
	d.listed = append(d.listed, short(name))
}

func (d *directory) quirk(s string) {
	if !slices.Contains(d.quirks, s) {
		d.quirks = append(d.quirks, s)
	}
}

// listedAt returns the file that a DICOMDIR in folder dir means by name, as it is
// compared: lower case, without the version of ISO 9660. What climbs out of the
// medium is nowhere.
func listedAt(dir, name string) string {
	if strings.HasPrefix(name, "../") || name == ".." {
		return ""
	}
	if dir != "" {
		name = dir + "/" + name
	}
	return comparable(name)
}

// comparable makes paths equal that media do not tell apart.
func comparable(path string) string {
	path = strings.TrimSuffix(path, ";1")
	return strings.ToLower(strings.TrimSuffix(path, "."))
}
