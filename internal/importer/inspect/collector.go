package inspect

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"lotse/internal/importer"
)

// collector takes what the workers saw, file by file in the order of the package,
// and makes the inspection of it.
type collector struct {
	ctx  context.Context
	pkg  importer.Package
	opts Options

	done  int64 // bytes, as declared
	total int64
	// sizeless: not all files declare their size
	sizeless bool
	groups   *groups
	notes    *notes
	folders  *folders
	first    map[string]int32 // SOP Instance UID to the first item with it
	doubles  []double
	indexes  []index
	others   []other
	out      importer.Inspection
}

// double is an instance whose UID an earlier one has.
type double struct{ first, later int32 }

// index is a DICOMDIR.
type index struct {
	item int32
	*directory
}

// other is a file that is no DICOM object; what becomes of it depends on what else
// is in the package.
type other struct {
	item      int32
	class     class
	media     string
	detail    string
	tiny      bool
	encrypted bool
	cutOff    bool
}

func newCollector(ctx context.Context, pkg importer.Package, opts Options) *collector {
	c := &collector{ctx: ctx, pkg: pkg, opts: opts, groups: newGroups(), notes: &notes{pkg: pkg},
		folders: newFolders(), first: map[string]int32{}}
	c.out.Files = pkg.Len()
	for i := range pkg.Len() {
		size := pkg.File(i).Size
		c.total += max(0, size)
		c.sizeless = c.sizeless || size < 0
	}
	c.out.Bytes = c.total
	c.folders.addRoot(pkg)
	return c
}

func (c *collector) newWorker() *worker {
	return &worker{ctx: c.ctx, pkg: c.pkg, read: c.opts.Read, sniffer: newSniffer()}
}

// lookAt looks at all files.
func (c *collector) lookAt() {
	inOrder(c.ctx, c.opts.Workers, c.pkg.Len(), c.newWorker, (*worker).look, c.take)
}

// take takes one file.
func (c *collector) take(i int, s seen) {
	file := c.pkg.File(i)
	item := int32(i)
	switch {
	case s.reason != "":
		c.leave(item, s.reason, s.detail)
		c.notes.leftOut(item, s)
	case s.object != nil:
		s.object.Item = item
		c.instance(s.object, file.Path)
	case s.directory != nil:
		c.leave(item, importer.ReasonDICOMDIR, s.directory.broken)
		c.folders.roots[strings.Clone(folder(file.Path))] = true
		c.indexes = append(c.indexes, index{item, s.directory})
	default:
		c.another(item, file.Path, s)
	}
	if s.object == nil && s.directory == nil && !s.refused && strings.EqualFold(base(file.Path), "DICOMDIR") {
		c.notes.directory(item, importer.Warning, "cannot be read as DICOM")
	}
	if s.program {
		c.notes.add(importer.FindingExecutable, importer.Warning, item)
	}
	c.done += max(0, file.Size)
	c.tell(i + 1)
}

func (c *collector) tell(files int) {
	if c.opts.Progress == nil || c.ctx.Err() != nil {
		return
	}
	p := importer.Progress{Phase: importer.PhaseInspect, Done: c.done, Total: c.total, Files: files, FilesTotal: c.pkg.Len()}
	if c.sizeless {
		p.Total = -1
	}
	c.opts.Progress(p)
}

func (c *collector) leave(item int32, reason importer.ReasonCode, detail string) {
	c.out.LeftOut = append(c.out.LeftOut, importer.LeftOut{Item: item, Reason: reason, Detail: detail})
}

// instance puts a DICOM object into its series, unless its UID was there before.
func (c *collector) instance(o *object, path string) {
	c.folders.objects[folder(path)] = true
	if first, again := c.first[o.SOPInstance]; again {
		c.doubles = append(c.doubles, double{first: first, later: o.Item})
		return
	}
	o.SOPInstance = strings.Clone(o.SOPInstance)
	c.first[o.SOPInstance] = o.Item
	study := c.groups.add(o)
	study.noteText(o)
	c.notes.object(o)
}

// another keeps a file that is no DICOM object until all files are known.
func (c *collector) another(item int32, path string, s seen) {
	switch s.class {
	case classProgram:
		c.folders.programs[folder(path)] = true
	case classViewer:
		if s.media == "text/x-web" {
			c.folders.code[folder(path)] = true
		}
	}
	c.others = append(c.others, other{item: item, class: s.class, media: s.media, detail: s.detail,
		tiny: s.tiny, encrypted: s.encrypted, cutOff: s.cutOff})
}

// settleOthers decides what is a document and why the rest is left out.
func (c *collector) settleOthers() {
	c.folders.settle()
	study := c.groups.single()
	for _, o := range c.others {
		path := c.pkg.File(int(o.item)).Path
		reason, detail := c.folders.judge(o, path)
		if reason != "" {
			c.leave(o.item, reason, detail)
			continue
		}
		c.out.Documents = append(c.out.Documents, importer.Document{Item: o.item, Type: o.media, Title: title(path), Study: study})
		if o.encrypted {
			c.notes.add(importer.FindingUnreadable, importer.Warning, o.item, "encrypted PDF")
		}
		if o.cutOff {
			c.notes.add(importer.FindingTruncated, importer.Warning, o.item, "PDF without its end")
		}
	}
}

// judge says why a file is left out, "" for a document.
func (f *folders) judge(o other, path string) (reason importer.ReasonCode, detail string) {
	switch o.class {
	case classPDF:
		if f.hasPDF(path) {
			return importer.ReasonViewerData, o.media
		}
		return "", ""
	case classJPEG, classPNG:
		if f.hasPicture(path, o.tiny) {
			return importer.ReasonViewerData, o.media
		}
		return "", ""
	case classImage:
		if f.hasPicture(path, false) {
			return importer.ReasonViewerData, o.media
		}
		return importer.ReasonDocumentUnfit, cmp.Or(o.detail, o.media)
	case classHTML, classText, classIndex, classXML, classOther:
		return f.judgeText(o, path), o.media
	case classProgram:
		return importer.ReasonProgram, o.media
	case classViewer:
		return importer.ReasonViewerData, o.media
	case classJunk:
		return importer.ReasonJunk, o.media
	}
	if strings.EqualFold(base(path), "thumbs.db") {
		return importer.ReasonJunk, o.media
	}
	return importer.ReasonUnknownContent, o.media
}

func (f *folders) judgeText(o other, path string) importer.ReasonCode {
	switch {
	case o.class == classIndex, (o.class == classHTML || o.class == classText) && f.isIndex(path):
		return importer.ReasonPreviewDocument
	case f.hasText(path):
		return importer.ReasonViewerData
	case o.class == classXML:
		return importer.ReasonUnknownContent
	}
	return importer.ReasonDocumentUnfit
}

// result puts the inspection together.
func (c *collector) result() *importer.Inspection {
	in := &c.out
	c.notes.patients(c.groups)
	c.notes.contents(in, c.groups)
	in.Patients = c.groups.sorted()
	slices.SortFunc(in.LeftOut, func(a, b importer.LeftOut) int { return cmp.Compare(a.Item, b.Item) })
	in.LeftOut = slices.Clip(slices.Clone(in.LeftOut))
	in.Findings = c.notes.findings()
	return in
}
