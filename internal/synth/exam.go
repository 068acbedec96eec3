package synth

import (
	"fmt"
	"strconv"

	"lotse/dicom"
)

// SOP classes made here (PS3.4 Annex B).
const (
	classCT        = "1.2.840.10008.5.1.4.1.1.2"
	classCR        = "1.2.840.10008.5.1.4.1.1.1"
	classDirectory = "1.2.840.10008.1.3.10"
)

// exam is what all objects of a medium have in common.
type exam struct {
	seed    uint64
	charset string
	patient patient
	study   study
}

type patient struct {
	name, id, birthDate, sex, age string
	size, weight                  string // m, kg
}

type study struct {
	number, accession, description string
	date, time                     string
	referrer, physician            string
	institution, address           string
	series                         []series
}

type series struct {
	number      int
	modality    string
	class       string
	description string
	protocol    string
	body        string
	count       int
	// build adds what the kind of image needs, pixel data included.
	build func(d *builder, index int)
}

func (e *exam) studyUID() string { return identifier(e.seed, "study") }

func (e *exam) seriesUID(s *series) string { return identifier(e.seed, "series", s.number) }

func (e *exam) instanceUID(s *series, i int) string {
	return identifier(e.seed, "instance", s.number, i)
}

func (e *exam) frameUID() string { return identifier(e.seed, "frame of reference") }

// fileID is the path of an instance on the medium: components of at most eight
// characters, capital letters, digits and underscores (PS3.10 §8.2, §8.5).
func (e *exam) fileID(s *series, i int) []string {
	return []string{"DICOM", "PA000001", "ST000001", fmt.Sprintf("SE%06d", s.number), fmt.Sprintf("IM%06d", i+1)}
}

// instance encodes one object as a Part 10 file.
func (e *exam) instance(s *series, index int) ([]byte, error) {
	b := &builder{d: dicom.New()}
	e.common(b, s, index)
	s.build(b, index)
	if b.err != nil {
		return nil, b.err
	}
	body, err := b.d.Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		return nil, err
	}
	return append(dicom.FileMeta(s.class, e.instanceUID(s, index), dicom.ExplicitVRLittleEndian), body...), nil
}

// common sets patient, study, series, equipment and what else every image has.
func (e *exam) common(b *builder, s *series, index int) {
	at := clock(e.study.time, 60*s.number+index/4)
	b.set("SpecificCharacterSet", e.charset)
	b.set("InstanceCreationDate", e.study.date)
	b.set("InstanceCreationTime", at)
	b.set("SOPClassUID", s.class)
	b.set("SOPInstanceUID", e.instanceUID(s, index))
	for _, keyword := range []string{"StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"} {
		b.set(keyword, e.study.date)
	}
	b.set("StudyTime", e.study.time)
	b.set("SeriesTime", clock(e.study.time, 60*s.number))
	b.set("AcquisitionTime", at)
	b.set("ContentTime", at)
	b.set("AccessionNumber", e.study.accession)
	b.set("Modality", s.modality)
	b.set("Manufacturer", "Lotse")
	b.set("ManufacturerModelName", "Synthetic")
	b.set("InstitutionName", e.study.institution)
	b.set("InstitutionAddress", e.study.address)
	b.set("ReferringPhysicianName", e.study.referrer)
	b.set("PerformingPhysicianName", e.study.physician)
	b.set("OperatorsName", "MTR^1")
	b.set("StationName", "SYNTH"+strconv.Itoa(len(s.modality)))
	b.set("InstitutionalDepartmentName", "Radiologie")
	b.set("StudyDescription", e.study.description)
	b.set("SeriesDescription", s.description)
	b.set("PatientName", e.patient.name)
	b.set("PatientID", e.patient.id)
	b.set("PatientBirthDate", e.patient.birthDate)
	b.set("PatientSex", e.patient.sex)
	b.set("PatientAge", e.patient.age)
	b.set("PatientSize", e.patient.size)
	b.set("PatientWeight", e.patient.weight)
	b.set("BodyPartExamined", s.body)
	b.set("DeviceSerialNumber", "000001")
	b.set("SoftwareVersions", "synth 1")
	b.set("ProtocolName", s.protocol)
	b.set("StudyInstanceUID", e.studyUID())
	b.set("SeriesInstanceUID", e.seriesUID(s))
	b.code("ProcedureCodeSequence", "0001", "99LOTSE", e.study.description)
	b.set("StudyID", e.study.number)
	b.set("SeriesNumber", strconv.Itoa(s.number))
	b.set("InstanceNumber", strconv.Itoa(index+1))
	b.set("PerformedProcedureStepStartDate", e.study.date)
	b.set("PerformedProcedureStepStartTime", e.study.time)
	b.set("PerformedProcedureStepID", "PPS"+e.study.number)
	b.set("PerformedProcedureStepDescription", e.study.description)
}

// clock adds seconds to a TM value (HHMMSS).
func clock(tm string, seconds int) string {
	var h, m, s int
	if _, err := fmt.Sscanf(tm, "%2d%2d%2d", &h, &m, &s); err != nil {
		return tm
	}
	total := h*3600 + m*60 + s + seconds
	return fmt.Sprintf("%02d%02d%02d", total/3600%24, total/60%60, total%60)
}

// builder collects elements by keyword and keeps the first error.
type builder struct {
	d   *dicom.Dataset
	err error
}

func (b *builder) tag(keyword string) dicom.Tag {
	t, err := dicom.ParseTag(keyword)
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("synth: %w", err)
	}
	return t
}

func (b *builder) set(keyword string, values ...string) {
	if _, err := b.d.SetString(b.tag(keyword), values...); err != nil && b.err == nil {
		b.err = fmt.Errorf("synth: set %s: %w", keyword, err)
	}
}

// floats sets decimal strings of at most 16 characters (PS3.5 §6.2).
func (b *builder) floats(keyword string, numbers ...float64) {
	values := make([]string, len(numbers))
	for i, n := range numbers {
		values[i] = decimal(n)
	}
	b.set(keyword, values...)
}

func decimal(n float64) string { return strconv.FormatFloat(n, 'g', 8, 64) }

func (b *builder) numbers(keyword string, vr dicom.VR, numbers ...float64) {
	b.d.Put(dicom.NewNumbers(b.tag(keyword), vr, numbers...))
}

// item adds a sequence of one item that fill sets the elements of.
func (b *builder) item(keyword string, fill func(item *builder)) {
	in := &builder{d: dicom.New()}
	fill(in)
	if b.err == nil {
		b.err = in.err
	}
	b.d.Put(dicom.NewSequence(b.tag(keyword), in.d))
}

func (b *builder) code(keyword, value, scheme, meaning string) {
	b.item(keyword, func(item *builder) {
		item.set("CodeValue", value)
		item.set("CodingSchemeDesignator", scheme)
		item.set("CodeMeaning", meaning)
	})
}

// pixels sets the image pixel module for one frame of 16-bit unsigned values, of
// which stored bits count (PS3.3 §C.7.6.3).
func (b *builder) pixels(rows, columns, stored int, values []byte) {
	b.numbers("SamplesPerPixel", dicom.US, 1)
	b.set("PhotometricInterpretation", "MONOCHROME2")
	b.numbers("Rows", dicom.US, float64(rows))
	b.numbers("Columns", dicom.US, float64(columns))
	b.numbers("BitsAllocated", dicom.US, 16)
	b.numbers("BitsStored", dicom.US, float64(stored))
	b.numbers("HighBit", dicom.US, float64(stored-1))
	b.numbers("PixelRepresentation", dicom.US, 0)
	b.d.Put(dicom.NewBytes(dicom.PixelData, dicom.OW, values))
}
