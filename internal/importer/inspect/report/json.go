package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"lotse/internal/importer"
)

// Version is that of the form WriteJSON writes. Keys may be added to it; a change
// that breaks readers counts it up.
const Version = 1

type jsonOrigin struct {
	Kind  importer.OriginKind `json:"kind"`
	Label string              `json:"label"`
}

type jsonTotals struct {
	Files     int   `json:"files"`
	Bytes     int64 `json:"bytes"`
	Patients  int   `json:"patients"`
	Studies   int   `json:"studies"`
	Series    int   `json:"series"`
	Instances int   `json:"instances"`
	Documents int   `json:"documents"`
	LeftOut   int   `json:"left_out"`
}

type jsonPatient struct {
	ID        string      `json:"id"`
	Issuer    string      `json:"issuer"`
	Name      string      `json:"name"`
	BirthDate string      `json:"birth_date"`
	Sex       string      `json:"sex"`
	Studies   []jsonStudy `json:"studies"`
}

type jsonStudy struct {
	UID         string       `json:"uid"`
	Date        string       `json:"date"`
	Time        string       `json:"time"`
	Description string       `json:"description"`
	Accession   string       `json:"accession"`
	ID          string       `json:"id"`
	Institution string       `json:"institution"`
	Referring   string       `json:"referring"`
	Series      []jsonSeries `json:"series"`
}

type jsonSeries struct {
	UID         string  `json:"uid"`
	Modality    string  `json:"modality"`
	Number      string  `json:"number"`
	Description string  `json:"description"`
	Date        string  `json:"date"`
	BodyPart    string  `json:"body_part"`
	Items       []int32 `json:"items"`
}

type jsonFinding struct {
	Code     importer.FindingCode `json:"code"`
	Severity importer.Severity    `json:"severity"`
	Item     int                  `json:"item"`
	Path     string               `json:"path"`
	Count    int                  `json:"count"`
	Detail   string               `json:"detail"`
}

type jsonItem struct {
	Item int               `json:"item"`
	Path string            `json:"path"`
	Size int64             `json:"size"`
	Kind importer.ItemKind `json:"kind"`

	SOPClass       string `json:"sop_class,omitempty"`
	SOPInstance    string `json:"sop_instance,omitempty"`
	TransferSyntax string `json:"transfer_syntax,omitempty"`
	Frames         *int32 `json:"frames,omitempty"`
	OnePass        *bool  `json:"one_pass,omitempty"`

	Type     string  `json:"type,omitempty"`
	Title    *string `json:"title,omitempty"`
	StudyUID *string `json:"study_uid,omitempty"`

	Reason importer.ReasonCode `json:"reason,omitempty"`
	Detail string              `json:"detail,omitempty"`
}

// WriteJSON writes in as one JSON object (RFC 8259, UTF-8), piece by piece:
//
//	version   1
//	origin    {kind, label}
//	totals    {files, bytes, patients, studies, series, instances, documents, left_out};
//	          files = instances + documents + left_out
//	patients  [{id, issuer, name, birth_date, sex, studies: [{uid, date, time,
//	          description, accession, id, institution, referring, series: [{uid,
//	          modality, number, description, date, body_part, items: [number]}]}]}]
//	findings  [{code, severity, item, path, count, detail}]; item is -1 and path
//	          empty for the whole package; count is at least 1
//	items     [{item, path, size, kind, …}], every file in the order of the
//	          package; size is -1 when unknown. A kind of "instance" has sop_class,
//	          sop_instance, transfer_syntax, frames (0 for what is no image) and
//	          one_pass; "document" has type, title and study_uid ("" when it is
//	          not known); "left-out" has reason and, where there is one, detail.
//
// Items are numbers of files in the package. Dates and times are as in DICOM. All
// keys but the ones in "items" that belong to another kind are always there.
// Control characters, those beyond ASCII too, are escaped. The error is w's.
func WriteJSON(w io.Writer, in *importer.Inspection, pkg importer.Package) error {
	j := &jsonWriter{w: bufio.NewWriterSize(w, 32<<10)}
	j.text(`{"version":`)
	j.value(Version)
	j.text(`,"origin":`)
	j.value(jsonOrigin(pkg.Origin()))
	j.text(`,"totals":`)
	j.value(totals(in))
	j.text(",\n\"patients\":[")
	for i, p := range in.Patients {
		j.element(i, patient(p))
	}
	j.text("],\n\"findings\":[")
	for i, f := range in.Findings {
		j.element(i, jsonFinding{f.Code, f.Severity, f.Item, f.Path, max(1, f.Count), f.Detail})
	}
	j.text("],\n\"items\":[")
	refs := references(in, pkg.Len())
	for i := range pkg.Len() {
		j.element(i, refs[i].item(i, pkg.File(i)))
	}
	j.text("]}\n")
	if j.err != nil {
		return fmt.Errorf("write the inspection as JSON: %w", j.err)
	}
	if err := j.w.Flush(); err != nil {
		return fmt.Errorf("write the inspection as JSON: %w", err)
	}
	return nil
}

func totals(in *importer.Inspection) jsonTotals {
	t := jsonTotals{Files: in.Files, Bytes: in.Bytes, Patients: len(in.Patients), Instances: in.Instances(),
		Documents: len(in.Documents), LeftOut: len(in.LeftOut)}
	for _, p := range in.Patients {
		t.Studies += len(p.Studies)
		for _, st := range p.Studies {
			t.Series += len(st.Series)
		}
	}
	return t
}

func patient(p *importer.Patient) jsonPatient {
	out := jsonPatient{ID: p.ID, Issuer: p.Issuer, Name: p.Name, BirthDate: p.BirthDate, Sex: p.Sex, Studies: []jsonStudy{}}
	for _, st := range p.Studies {
		study := jsonStudy{UID: st.UID, Date: st.Date, Time: st.Time, Description: st.Description, Accession: st.Accession,
			ID: st.ID, Institution: st.Institution, Referring: st.Referring, Series: []jsonSeries{}}
		for _, se := range st.Series {
			series := jsonSeries{UID: se.UID, Modality: se.Modality, Number: se.Number, Description: se.Description,
				Date: se.Date, BodyPart: se.BodyPart, Items: make([]int32, len(se.Instances))}
			for i := range se.Instances {
				series.Items[i] = se.Instances[i].Item
			}
			study.Series = append(study.Series, series)
		}
		out.Studies = append(out.Studies, study)
	}
	return out
}

// reference points at what an inspection says of one file; one of them is set.
type reference struct {
	instance *importer.Instance
	document *importer.Document
	leftOut  *importer.LeftOut
}

func references(in *importer.Inspection, n int) []reference {
	refs := make([]reference, n)
	at := func(item int32) *reference {
		if item < 0 || int(item) >= n {
			return &reference{}
		}
		return &refs[item]
	}
	for _, p := range in.Patients {
		for _, st := range p.Studies {
			for _, se := range st.Series {
				for i := range se.Instances {
					at(se.Instances[i].Item).instance = &se.Instances[i]
				}
			}
		}
	}
	for i := range in.Documents {
		at(in.Documents[i].Item).document = &in.Documents[i]
	}
	for i := range in.LeftOut {
		at(in.LeftOut[i].Item).leftOut = &in.LeftOut[i]
	}
	return refs
}

func (r reference) item(i int, f importer.File) jsonItem {
	out := jsonItem{Item: i, Path: f.Path, Size: f.Size, Kind: importer.KindLeftOut}
	switch {
	case r.instance != nil:
		n := r.instance
		out.Kind = importer.KindInstance
		out.SOPClass, out.SOPInstance, out.TransferSyntax = n.SOPClass, n.SOPInstance, n.TransferSyntax
		out.Frames, out.OnePass = &n.Frames, &n.OnePass
	case r.document != nil:
		d := r.document
		study := ""
		if d.Study != nil {
			study = d.Study.UID
		}
		out.Kind = importer.KindDocument
		out.Type, out.Title, out.StudyUID = d.Type, &d.Title, &study
	case r.leftOut != nil:
		out.Reason, out.Detail = r.leftOut.Reason, r.leftOut.Detail
	}
	return out
}

// jsonWriter keeps the first error.
type jsonWriter struct {
	w   *bufio.Writer
	err error
}

func (j *jsonWriter) text(s string) {
	if j.err == nil {
		_, j.err = j.w.WriteString(s)
	}
}

// element writes one element of an array, each on its own line.
func (j *jsonWriter) element(i int, v any) {
	if i > 0 {
		j.text(",")
	}
	j.text("\n")
	j.value(v)
}

func (j *jsonWriter) value(v any) {
	if j.err != nil {
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		j.err = err
		return
	}
	j.escaped(b)
}

// escaped writes b with those characters escaped that JSON lets through but that
// act on a terminal. They occur inside of strings only.
func (j *jsonWriter) escaped(b []byte) {
	for len(b) > 0 && j.err == nil {
		r, n := utf8.DecodeRune(b)
		if hidden(r) {
			_, j.err = fmt.Fprintf(j.w, `\u%04x`, r)
		} else {
			_, j.err = j.w.Write(b[:n])
		}
		b = b[n:]
	}
}
