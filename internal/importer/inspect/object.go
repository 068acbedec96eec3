package inspect

import (
	"math"
	"strconv"
	"strings"

	"lotse/dicom"
	"lotse/dicom/dict"
	"lotse/dicom/uid"
	"lotse/internal/importer"
)

// Attributes read here that package dicom does not name.
const (
	mediaDirectory = "1.2.840.10008.1.3.10" // Media Storage Directory Storage

	studyDate         dicom.Tag = 0x00080020
	seriesDate        dicom.Tag = 0x00080021
	studyTime         dicom.Tag = 0x00080030
	accessionNumber   dicom.Tag = 0x00080050
	modality          dicom.Tag = 0x00080060
	institutionName   dicom.Tag = 0x00080080
	referringName     dicom.Tag = 0x00080090
	studyDescription  dicom.Tag = 0x00081030
	seriesDescription dicom.Tag = 0x0008103E
	patientName       dicom.Tag = 0x00100010
	patientID         dicom.Tag = 0x00100020
	patientIssuer     dicom.Tag = 0x00100021
	patientBirthDate  dicom.Tag = 0x00100030
	patientSex        dicom.Tag = 0x00100040
	bodyPart          dicom.Tag = 0x00180015
	studyInstanceUID  dicom.Tag = 0x0020000D
	seriesInstanceUID dicom.Tag = 0x0020000E
	studyID           dicom.Tag = 0x00200010
	seriesNumber      dicom.Tag = 0x00200011
	instanceNumber    dicom.Tag = 0x00200013
	numberOfFrames    dicom.Tag = 0x00280008
	rows              dicom.Tag = 0x00280010
	bitsAllocated     dicom.Tag = 0x00280100
	pixelDataURL      dicom.Tag = 0x00287FE0
)

// Limits of what is kept of a value. Longer ones break their VR many times over.
const (
	maxText = 1024 // bytes of text
	maxUID  = 256  // bytes of a UID
)

// object is what is known of one DICOM instance.
type object struct {
	importer.Instance
	patient importer.Patient // without studies
	study   importer.Study   // without series
	series  importer.Series  // without instances
	number  int32            // instance number; the greatest int32 when there is none

	problems []string    // codes of the reader
	badUIDs  []dicom.Tag // absent or invalid
	noPixels bool        // an image that neither has nor describes pixel data
	lentUID  bool        // SOP class or instance are known from the file meta information only
	text     textVerdict
}

// instance judges the data set of an object: the whole one, or what comes before
// pixel data that reach the end.
func (w *worker) instance(ds *dicom.Dataset, whole, onePass bool, text *textCheck) seen {
	r := &w.reader
	o := &object{}
	if !o.identify(ds, r.Meta()) {
		return leftOut(importer.ReasonNoIdentity, "no SOP Class UID or no SOP Instance UID")
	}
	if whole && !hasPixels(ds) && !ds.Has(pixelDataURL) {
		o.noPixels = isImage(o.SOPClass)
		if describesPixels(ds) || o.noPixels && (!ds.Has(seriesInstanceUID) || r.Cut() >= 0) {
			return leftOut(importer.ReasonTruncated, withoutPixels)
		}
	}
	syntax, ok := realSyntax(r.Syntax())
	declared := declaredSyntax(r)
	if !ok || declared == dicom.GEPrivateImplicitBigEndian {
		return leftOut(importer.ReasonUnsupported, "transfer syntax "+plainUID(declared))
	}
	class, known := dict.SOPClassByUID(o.SOPClass)
	if known && !class.Storage {
		return leftOut(importer.ReasonNotStorable, class.Name)
	}
	o.TransferSyntax = syntax
	o.OnePass = onePass && !ds.Has(dicom.MACParametersSequence) && !ds.Has(dicom.DigitalSignaturesSequence)
	o.count(ds)
	o.describe(ds)
	text.dataset(ds)
	o.text = text.verdict(ds)
	s := seen{object: o}
	for _, p := range r.Problems() {
		switch p.Code {
		case dicom.ProblemUnusualPreamble:
			s.program = true
		default:
			o.problems = append(o.problems, string(p.Code))
		}
	}
	return s
}

// identify finds the SOP class and instance: in the data set, else in the file
// meta information.
func (o *object) identify(ds, meta *dicom.Dataset) bool {
	o.SOPClass, o.SOPInstance = ds.String(dicom.SOPClassUID), ds.String(dicom.SOPInstanceUID)
	if meta != nil {
		if o.SOPClass == "" {
			o.SOPClass, o.lentUID = meta.String(dicom.MediaStorageSOPClassUID), true
		}
		if o.SOPInstance == "" {
			o.SOPInstance, o.lentUID = meta.String(dicom.MediaStorageSOPInstUID), true
		}
	}
	for _, u := range []struct {
		tag  dicom.Tag
		text string
	}{{dicom.SOPClassUID, o.SOPClass}, {dicom.SOPInstanceUID, o.SOPInstance}} {
		if u.text == "" || len(u.text) > maxUID {
			return false
		}
		o.checkUID(u.tag, u.text)
	}
	return true
}

func (o *object) checkUID(t dicom.Tag, s string) {
	if uid.Valid(s) != nil {
		o.badUIDs = append(o.badUIDs, t)
	}
}

// describe fills in what people recognise the object by.
func (o *object) describe(ds *dicom.Dataset) {
	get := func(t dicom.Tag) string { return short(ds.String(t)) }
	o.patient = importer.Patient{ID: get(patientID), Issuer: get(patientIssuer), Name: get(patientName),
		BirthDate: get(patientBirthDate), Sex: get(patientSex)}
	o.study = importer.Study{UID: get(studyInstanceUID), Date: get(studyDate), Time: get(studyTime),
		Description: get(studyDescription), Accession: get(accessionNumber), ID: get(studyID),
		Institution: get(institutionName), Referring: get(referringName)}
	o.series = importer.Series{UID: get(seriesInstanceUID), Modality: get(modality), Number: get(seriesNumber),
		Description: get(seriesDescription), Date: get(seriesDate), BodyPart: get(bodyPart)}
	o.checkUID(studyInstanceUID, o.study.UID)
	o.checkUID(seriesInstanceUID, o.series.UID)
}

// count reads the numbers: a picture without a number of frames is one frame.
func (o *object) count(ds *dicom.Dataset) {
	o.number = math.MaxInt32
	if n, ok := ds.Int(instanceNumber); ok && n >= math.MinInt32 && n < math.MaxInt32 {
		o.number = int32(n)
	}
	if n, ok := ds.Int(numberOfFrames); ok && n > 0 && n <= math.MaxInt32 {
		o.Frames = int32(n)
	} else if ds.Has(rows) {
		o.Frames = 1
	}
}

// declaredSyntax is what the file meta information says. GE's private syntax shows
// there alone: its elements look like Implicit VR Little Endian, its pixels are
// big-endian.
func declaredSyntax(r *dicom.Reader) string {
	if meta := r.Meta(); meta != nil && meta.Has(dicom.TransferSyntaxUID) {
		return meta.String(dicom.TransferSyntaxUID)
	}
	return r.Syntax().UID
}

// realSyntax returns the UID of the syntax that the data set has, which is not
// always the declared one. ok is false for those that cannot be passed on: private
// ones and encodings without a UID.
func realSyntax(s dicom.Syntax) (string, bool) {
	declared, known := dicom.SyntaxOf(s.UID)
	switch {
	case !known && !strings.HasPrefix(s.UID, "1.2.840.10008.1.2."):
		return "", false
	case declared == s, !known:
		return s.UID, len(s.UID) <= uid.MaxLength
	case declared.Encapsulated || s.BigEndian && !s.Explicit:
		return "", false
	case s.BigEndian:
		return dicom.ExplicitVRBigEndian, true
	case s.Explicit:
		return dicom.ExplicitVRLittleEndian, true
	}
	return dicom.ImplicitVRLittleEndian, true
}

// withoutPixels is said of an image that has none.
const withoutPixels = "an image without pixel data"

// describesPixels reports an object that must have pixel data, as it says how they
// are stored (Image Pixel module, PS3.3 §C.7.6.3): without them it was cut off.
func describesPixels(ds *dicom.Dataset) bool { return ds.Has(rows) && ds.Has(bitsAllocated) }

// isImage reports the standard's classes of images.
func isImage(classUID string) bool {
	class, _ := dict.SOPClassByUID(classUID)
	return strings.Contains(class.Name, "Image Storage")
}

// hasPixels reports pixel data. A file that was cut off between two elements
// lacks them and looks whole otherwise.
func hasPixels(ds *dicom.Dataset) bool {
	return ds.Has(dicom.PixelData) || ds.Has(dicom.FloatPixelData) || ds.Has(dicom.DoubleFloatPixelData)
}

// short cuts s to what is kept, and off the memory it was cut from.
func short(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.Clone(strings.ToValidUTF8(s[:maxText], ""))
}

// plainUID returns a UID from a file as it may stand in a text.
func plainUID(s string) string {
	if s == "" || len(s) > uid.MaxLength || strings.Trim(s, "0123456789.") != "" {
		return "that is no UID"
	}
	return s
}

// at names a place for technicians.
func at(offset int64) string { return "at byte " + strconv.FormatInt(offset, 10) }
