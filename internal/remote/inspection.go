package remote

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"lotse/internal/app"
	"lotse/internal/importer"
)

// inspected shows a person what came in, once.
func (w *way) inspected(ctx context.Context) error {
	if w.shown || w.h.Inspected == nil {
		return nil
	}
	w.shown = true
	var v app.InspectionView
	if err := w.call(ctx, request{method: http.MethodGet, path: importPath(w.out.ID, "/inspection")}, &v); err != nil {
		return w.orEnded(ctx, err)
	}
	in, pkg := restore(&v)
	w.h.Inspected(in, pkg)
	return nil
}

// restore makes an inspection of what the server says of it, and a package that has
// names and nothing to open.
func restore(v *app.InspectionView) (*importer.Inspection, importer.Package) {
	in := &importer.Inspection{Bytes: v.Bytes, Files: v.Files, Findings: v.Findings}
	studies := map[string]*importer.Study{}
	for _, p := range v.Patients {
		patient := &importer.Patient{ID: p.ID, Issuer: p.Issuer, Name: p.Name, BirthDate: p.BirthDate, Sex: p.Sex}
		for _, d := range p.Studies {
			study := restoreStudy(d)
			studies[study.UID] = study
			patient.Studies = append(patient.Studies, study)
		}
		in.Patients = append(in.Patients, patient)
	}
	pkg := &names{origin: v.Origin, files: v.Files, paths: map[int]string{}}
	for _, d := range v.Documents {
		in.Documents = append(in.Documents, importer.Document{Item: d.Item, Type: d.Type, Title: d.Title, Study: studies[d.Study]})
		pkg.paths[int(d.Item)] = cmp.Or(d.Path, d.Title)
	}
	for _, l := range v.LeftOut {
		in.LeftOut = append(in.LeftOut, importer.LeftOut{Item: l.Item, Reason: l.Reason, Detail: l.Detail})
		pkg.paths[int(l.Item)] = l.Path
	}
	return in, pkg
}

func restoreStudy(d app.StudyDetail) *importer.Study {
	study := &importer.Study{UID: d.UID, Date: d.Date, Time: d.Time, Description: d.Description, Accession: d.Accession, ID: d.ID,
		Institution: d.Institution, Referring: d.Referring}
	for _, s := range d.Series {
		series := &importer.Series{UID: s.UID, Modality: s.Modality, Number: s.Number, Description: s.Description, Date: s.Date, BodyPart: s.BodyPart}
		for _, i := range s.Instances {
			series.Instances = append(series.Instances, importer.Instance{Item: i.Item, SOPClass: i.SOPClass, SOPInstance: i.SOPInstance,
				TransferSyntax: i.TransferSyntax, Frames: i.Frames})
		}
		study.Series = append(study.Series, series)
	}
	return study
}

// names is a package whose files are on the server.
type names struct {
	origin importer.Origin
	files  int
	paths  map[int]string
}

// Origin implements importer.Package.
func (n *names) Origin() importer.Origin { return n.origin }

// Len implements importer.Package.
func (n *names) Len() int { return n.files }

// File implements importer.Package. What has no name is called by its number.
func (n *names) File(i int) importer.File {
	return importer.File{Path: cmp.Or(n.paths[i], "#"+strconv.Itoa(i)), Size: -1}
}

// Open implements importer.Package.
func (n *names) Open(int) (io.ReadCloser, error) {
	return nil, &importer.OpenError{Reason: importer.ReasonUnreadable, Err: errors.New("the file is on the server")}
}
