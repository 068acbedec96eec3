package app

import (
	"context"

	"lotse/internal/importer"
)

// InspectionView is everything that is known of what came.
type InspectionView struct {
	Origin    importer.Origin    `json:"origin"`
	Files     int                `json:"files"`
	Bytes     int64              `json:"bytes"`
	Patients  []PatientDetail    `json:"patients" nullable:"false"`
	Documents []DocumentDetail   `json:"documents" nullable:"false"`
	LeftOut   []LeftOutDetail    `json:"left_out" nullable:"false"`
	Findings  []importer.Finding `json:"findings" nullable:"false"`
}

// PatientDetail is a foreign patient.
type PatientDetail struct {
	ID        string        `json:"id"`
	Issuer    string        `json:"issuer,omitempty"`
	Name      string        `json:"name"`
	BirthDate string        `json:"birth_date,omitempty"`
	Sex       string        `json:"sex,omitempty"`
	Studies   []StudyDetail `json:"studies" nullable:"false"`
}

// StudyDetail is a study of a foreign patient.
type StudyDetail struct {
	UID         string         `json:"study_instance_uid"`
	ID          string         `json:"study_id,omitempty"`
	Date        string         `json:"date,omitempty"`
	Time        string         `json:"time,omitempty"`
	Description string         `json:"description,omitempty"`
	Accession   string         `json:"accession_number,omitempty"`
	Institution string         `json:"institution,omitempty"`
	Referring   string         `json:"referring_physician,omitempty"`
	Series      []SeriesDetail `json:"series" nullable:"false"`
}

// SeriesDetail is a series of a study.
type SeriesDetail struct {
	UID         string           `json:"series_instance_uid"`
	Modality    string           `json:"modality,omitempty"`
	Number      string           `json:"number,omitempty"`
	Description string           `json:"description,omitempty"`
	Date        string           `json:"date,omitempty"`
	BodyPart    string           `json:"body_part,omitempty"`
	Instances   []InstanceDetail `json:"instances" nullable:"false"`
}

// InstanceDetail is a DICOM object.
type InstanceDetail struct {
	Item           int32  `json:"item" doc:"Number of the file in the package."`
	SOPClass       string `json:"sop_class_uid"`
	SOPInstance    string `json:"sop_instance_uid"`
	TransferSyntax string `json:"transfer_syntax_uid"`
	Frames         int32  `json:"frames,omitempty"`
}

// DocumentDetail is a file that becomes a DICOM object.
type DocumentDetail struct {
	Item  int32  `json:"item" doc:"Number of the file in the package."`
	Path  string `json:"path,omitempty"`
	Type  string `json:"type" doc:"Media type, as found in the bytes."`
	Title string `json:"title,omitempty"`
	Study string `json:"study_instance_uid,omitempty" doc:"The study it came with."`
}

// LeftOutDetail is a file that is not delivered.
type LeftOutDetail struct {
	Item   int32               `json:"item" doc:"Number of the file in the package."`
	Path   string              `json:"path,omitempty"`
	Reason importer.ReasonCode `json:"reason"`
	Loss   bool                `json:"loss,omitempty" doc:"It may have been an image or a document."`
	Detail string              `json:"detail,omitempty" doc:"For technicians."`
}

// Inspection returns everything that is known of what came. [ErrNotFound] before it was
// inspected, [ErrGone] after it was erased.
func (g *Gateway) Inspection(ctx context.Context, who Who, id string) (*InspectionView, error) {
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	im, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if im.State == importer.Purged {
		return nil, ErrGone
	}
	found, err := s.inspection(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.viewed(ctx, viewOf(viewInspection, id, patientViews(found.Inspection))); err != nil {
		return nil, err
	}
	return inspectionView(found), nil
}

func inspectionView(found *inspected) *InspectionView {
	in := found.Inspection
	v := &InspectionView{Origin: found.Origin, Files: in.Files, Bytes: in.Bytes, Patients: []PatientDetail{}, Documents: []DocumentDetail{},
		LeftOut: []LeftOutDetail{}, Findings: append([]importer.Finding{}, in.Findings...)}
	for _, p := range in.Patients {
		patient := PatientDetail{ID: p.ID, Issuer: p.Issuer, Name: p.Name, BirthDate: p.BirthDate, Sex: p.Sex, Studies: []StudyDetail{}}
		for _, st := range p.Studies {
			patient.Studies = append(patient.Studies, studyDetail(st))
		}
		v.Patients = append(v.Patients, patient)
	}
	for _, d := range in.Documents {
		document := DocumentDetail{Item: d.Item, Path: found.Paths[d.Item], Type: d.Type, Title: d.Title}
		if d.Study != nil {
			document.Study = d.Study.UID
		}
		v.Documents = append(v.Documents, document)
	}
	for _, l := range in.LeftOut {
		v.LeftOut = append(v.LeftOut, LeftOutDetail{Item: l.Item, Path: found.Paths[l.Item], Reason: l.Reason, Loss: l.Reason.Loss(), Detail: l.Detail})
	}
	return v
}

func studyDetail(st *importer.Study) StudyDetail {
	study := StudyDetail{UID: st.UID, ID: st.ID, Date: st.Date, Time: st.Time, Description: st.Description, Accession: st.Accession,
		Institution: st.Institution, Referring: st.Referring, Series: []SeriesDetail{}}
	for _, se := range st.Series {
		series := SeriesDetail{UID: se.UID, Modality: se.Modality, Number: se.Number, Description: se.Description, Date: se.Date,
			BodyPart: se.BodyPart, Instances: make([]InstanceDetail, len(se.Instances))}
		for i, one := range se.Instances {
			series.Instances[i] = InstanceDetail{Item: one.Item, SOPClass: one.SOPClass, SOPInstance: one.SOPInstance,
				TransferSyntax: one.TransferSyntax, Frames: one.Frames}
		}
		study.Series = append(study.Series, series)
	}
	return study
}

// pathsOf are the paths of the files that a person wants to know by name.
func pathsOf(pkg importer.Package, in *importer.Inspection) map[int32]string {
	paths := make(map[int32]string, len(in.Documents)+len(in.LeftOut))
	for _, d := range in.Documents {
		paths[d.Item] = pkg.File(int(d.Item)).Path
	}
	for _, l := range in.LeftOut {
		paths[l.Item] = pkg.File(int(l.Item)).Path
	}
	return paths
}
