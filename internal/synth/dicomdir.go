package synth

import (
	"fmt"
	"strconv"

	"lotse/dicom"
)

// record is a directory record and those below it (PS3.3 §F.3).
type record struct {
	d        *dicom.Dataset
	children []*record
	offset   int64
}

const (
	tagNext  dicom.Tag = 0x00041400
	tagLower dicom.Tag = 0x00041420
)

// directory encodes the DICOMDIR of a medium that holds e (PS3.10 §8, PS3.11
// Annex D: Explicit VR Little Endian).
func (e *exam) directory() ([]byte, error) {
	root, err := e.records()
	if err != nil {
		return nil, err
	}
	head := &builder{d: dicom.New()}
	head.set("FileSetID", "LOTSE")
	head.numbers("OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity", dicom.UL, 0)
	head.numbers("OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity", dicom.UL, 0)
	head.numbers("FileSetConsistencyFlag", dicom.US, 0)
	if head.err != nil {
		return nil, head.err
	}
	meta := dicom.FileMeta(classDirectory, identifier(e.seed, "directory"), dicom.ExplicitVRLittleEndian)
	before, err := head.d.Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		return nil, err
	}
	const sequenceHeader = 12
	all, err := place([]*record{root}, int64(len(meta)+len(before)+sequenceHeader))
	if err != nil {
		return nil, err
	}
	head.numbers("OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity", dicom.UL, float64(root.offset))
	head.numbers("OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity", dicom.UL, float64(root.offset))
	head.d.Put(dicom.NewSequence(head.tag("DirectoryRecordSequence"), all...))
	body, err := head.d.Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		return nil, err
	}
	return append(meta, body...), nil
}

// place gives every record its offset, parents before children, then links them,
// and returns the items in their order.
func place(roots []*record, at int64) ([]*dicom.Dataset, error) {
	const itemHeader, itemDelimiter = 8, 8
	var items []*dicom.Dataset
	var walk func(rs []*record) error
	walk = func(rs []*record) error {
		for _, r := range rs {
			b, err := r.d.Encode(dicom.ExplicitVRLittleEndian)
			if err != nil {
				return fmt.Errorf("synth: encode directory record: %w", err)
			}
			r.offset = at
			at += int64(itemHeader + len(b) + itemDelimiter)
			items = append(items, r.d)
			if err := walk(r.children); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(roots); err != nil {
		return nil, err
	}
	link(roots)
	return items, nil
}

func link(rs []*record) {
	for i, r := range rs {
		if i+1 < len(rs) {
			r.d.Put(dicom.NewNumbers(tagNext, dicom.UL, float64(rs[i+1].offset)))
		}
		if len(r.children) > 0 {
			r.d.Put(dicom.NewNumbers(tagLower, dicom.UL, float64(r.children[0].offset)))
		}
		link(r.children)
	}
}

// records builds the tree PATIENT, STUDY, SERIES, IMAGE with the keys of PS3.3
// §F.5 and the general purpose profile.
func (e *exam) records() (*record, error) {
	top, b := e.record("PATIENT")
	b.set("PatientName", e.patient.name)
	b.set("PatientID", e.patient.id)
	b.set("PatientBirthDate", e.patient.birthDate)
	b.set("PatientSex", e.patient.sex)
	one, b2 := e.record("STUDY")
	b2.set("StudyDate", e.study.date)
	b2.set("StudyTime", e.study.time)
	b2.set("AccessionNumber", e.study.accession)
	b2.set("StudyDescription", e.study.description)
	b2.set("StudyInstanceUID", e.studyUID())
	b2.set("StudyID", e.study.number)
	top.children = []*record{one}
	builders := []*builder{b, b2}
	for i := range e.study.series {
		s := &e.study.series[i]
		r, b := e.record("SERIES")
		b.set("Modality", s.modality)
		b.set("InstitutionName", e.study.institution)
		b.set("SeriesDescription", s.description)
		b.set("SeriesInstanceUID", e.seriesUID(s))
		b.set("SeriesNumber", strconv.Itoa(s.number))
		one.children = append(one.children, r)
		builders = append(builders, b)
		for index := range s.count {
			image, b := e.record("IMAGE")
			b.set("ReferencedFileID", e.fileID(s, index)...)
			b.set("ReferencedSOPClassUIDInFile", s.class)
			b.set("ReferencedSOPInstanceUIDInFile", e.instanceUID(s, index))
			b.set("ReferencedTransferSyntaxUIDInFile", dicom.ExplicitVRLittleEndian)
			b.set("InstanceNumber", strconv.Itoa(index+1))
			r.children = append(r.children, image)
			builders = append(builders, b)
		}
	}
	for _, b := range builders {
		if b.err != nil {
			return nil, b.err
		}
	}
	return top, nil
}

func (e *exam) record(kind string) (*record, *builder) {
	b := &builder{d: dicom.New()}
	b.d.Put(dicom.NewNumbers(tagNext, dicom.UL, 0))
	b.numbers("RecordInUseFlag", dicom.US, 0xFFFF)
	b.d.Put(dicom.NewNumbers(tagLower, dicom.UL, 0))
	b.set("DirectoryRecordType", kind)
	b.set("SpecificCharacterSet", e.charset)
	return &record{d: b.d}, b
}
