package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"lotse/dicom"
	"lotse/dicom/dict"
	"lotse/internal/importer"
	"lotse/internal/importer/adjust"
	"lotse/internal/importer/deliver"
)

// exam is what one decision delivers: the instances of a package, adjusted while
// they are rendered, and the objects made from its documents.
type exam struct {
	pkg     importer.Package
	planner *adjust.Planner // nil when nothing is adjusted
	refs    []ref
	unfit   []importer.LeftOut
}

// ref is one object of an exam.
type ref struct {
	item          int32
	study, series string
	instance      *importer.Instance
	made          *adjust.Made // set for a document
}

func newExam(pkg importer.Package, in *importer.Inspection, d *importer.Decision) (*exam, error) {
	x := &exam{pkg: pkg, refs: make([]ref, 0, in.Instances()+len(in.Documents))}
	if d.Adjusts() {
		p, err := adjust.NewPlanner(d)
		if err != nil {
			return nil, err
		}
		x.planner = p
	}
	for _, patient := range in.Patients {
		for _, study := range patient.Studies {
			for _, series := range study.Series {
				for i := range series.Instances {
					x.refs = append(x.refs, ref{item: series.Instances[i].Item, study: study.UID, series: series.UID, instance: &series.Instances[i]})
				}
			}
		}
	}
	return x, x.addDocuments(in.Documents, d)
}

// addDocuments makes DICOM objects of the documents. One that cannot become one is
// left out with the reason, and so is one that is there a second time.
func (x *exam) addDocuments(docs []importer.Document, d *importer.Decision) error {
	made := make(map[string]bool, len(docs))
	for n, doc := range docs {
		open := func() (io.ReadCloser, error) { return x.pkg.Open(int(doc.Item)) }
		object, err := adjust.Convert(doc, open, x.pkg.File(int(doc.Item)).Size, d, x.studyOf(doc), n+1)
		if err != nil {
			left := importer.LeftOut{Item: doc.Item, Reason: importer.ReasonDocumentUnfit, Detail: err.Error()}
			var file *importer.OpenError
			if errors.As(err, &file) {
				left.Reason, left.Detail = file.Reason, file.Err.Error()
			}
			x.unfit = append(x.unfit, left)
			continue
		}
		content := object.Study + " " + object.Digest
		if made[content] {
			x.unfit = append(x.unfit, importer.LeftOut{Item: doc.Item, Reason: importer.ReasonDuplicate})
			continue
		}
		made[content] = true
		x.refs = append(x.refs, ref{study: object.Study, series: object.Series, made: object, item: doc.Item})
	}
	return nil
}

// studyOf returns the data set of an instance of the study a document came with,
// as it was received; nil when it came with none.
func (x *exam) studyOf(doc importer.Document) *dicom.Dataset {
	if doc.Study == nil {
		return nil
	}
	for _, r := range x.refs {
		if r.study != doc.Study.UID || r.instance == nil {
			continue
		}
		var rd dicom.Reader
		content, err := x.open(&rd, r)
		if err != nil {
			continue
		}
		head, _, err := rd.Head()
		if errors.Join(err, content.Close()) == nil {
			return head
		}
	}
	return nil
}

// Len is the number of objects.
func (x *exam) Len() int { return len(x.refs) }

// Object describes object i.
func (x *exam) Object(i int) deliver.Object {
	r := x.refs[i]
	o := deliver.Object{Item: r.item, Study: r.study, Series: r.series}
	if r.made != nil {
		o.Document = true
		o.SOPClass, o.SOPInstance, o.TransferSyntax = r.made.SOPClass, r.made.SOPInstance, r.made.TransferSyntax
	} else {
		o.SOPClass, o.SOPInstance, o.TransferSyntax = r.instance.SOPClass, r.instance.SOPInstance, r.instance.TransferSyntax
	}
	o.LossyOnly = lossy(o.TransferSyntax)
	return o
}

func lossy(syntax string) bool {
	t, ok := dict.TransferSyntaxByUID(syntax)
	return ok && t.Lossy
}

// declared is the number of bytes of all objects as their source declares them.
func (x *exam) declared() int64 {
	var n int64
	for i := range x.refs {
		n += max(x.pkg.File(int(x.Object(i).Item)).Size, 0)
	}
	return n
}

// Render writes object i, adjusted, in one pass from the source's bytes.
func (x *exam) Render(_ context.Context, i int, rd *dicom.Reader, w io.Writer, form deliver.Form) (deliver.Rendered, error) {
	r := x.refs[i]
	content, err := x.open(rd, r)
	if err != nil {
		return deliver.Rendered{}, err
	}
	defer content.Close()
	adj, err := x.plan(rd, r)
	if err != nil {
		return deliver.Rendered{}, err
	}
	out, err := rd.Rewrite(w, dicom.Rewrite{Edits: adj.Edits, Syntax: form.TransferSyntax, File: form.File, Even: !form.File})
	if err == nil && len(out.Unused) > 0 {
		err = fmt.Errorf("%d planned edits found no place", len(out.Unused))
	}
	rendered := deliver.Rendered{Bytes: out.Written, Digest: hex.EncodeToString(out.Digest[:]),
		Changes: adj.Changes, Findings: adj.Findings}
	if r.made != nil {
		rendered.Digest = r.made.Digest // of the document as it came
	}
	if out.PixelBytes > 0 {
		// One buffer is hashed and handed on, so before and after are one digest.
		rendered.PixelBefore = hex.EncodeToString(out.Pixel[:])
		rendered.PixelAfter = rendered.PixelBefore
	}
	return rendered, err
}

// open opens the file of an object, or the object made of a document, for rd.
func (x *exam) open(rd *dicom.Reader, r ref) (io.Closer, error) {
	open, size := func() (io.ReadCloser, error) { return x.pkg.Open(int(r.item)) }, x.pkg.File(int(r.item)).Size
	if r.made != nil {
		open, size = r.made.Open, r.made.Size
	}
	content, err := open()
	if err != nil {
		return nil, err
	}
	if err := rd.Reset(content, size, dicom.ReadOptions{}); err != nil {
		return nil, errors.Join(err, content.Close())
	}
	return content, nil
}

// plan says what the decision means for an instance that rd is at the beginning
// of, and stays at.
func (x *exam) plan(rd *dicom.Reader, r ref) (importer.Adjustment, error) {
	if r.made != nil || x.planner == nil {
		return importer.Adjustment{}, nil
	}
	if !r.instance.OnePass {
		return x.planScanned(r)
	}
	head, _, err := rd.Head()
	if err != nil {
		return importer.Adjustment{}, err
	}
	return x.planner.Plan(head)
}

// planScanned goes through the whole object once before it is rewritten: it has
// large values, or elements behind the pixel data.
func (x *exam) planScanned(r ref) (importer.Adjustment, error) {
	var rd dicom.Reader
	content, err := x.open(&rd, r)
	if err != nil {
		return importer.Adjustment{}, err
	}
	defer content.Close()
	visit := x.planner.Visit()
	ds, err := rd.Scan(visit.See)
	if err != nil {
		return importer.Adjustment{}, err
	}
	return x.planner.PlanScanned(ds, visit)
}
