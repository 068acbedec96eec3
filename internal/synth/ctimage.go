package synth

import (
	"encoding/binary"
	"math"

	"lotse/dicom"
)

// scan is how one series of CT images was taken.
type scan struct {
	body          *body
	rows, columns int
	count         int
	from, to      float64 // mm along the body
	kernel        string
	grain         float64 // deviation of the noise in Hounsfield units
	window        [2]float64
	contrast      bool
	noise         noise
	seed          uint64
	series        int
}

const fieldOfView = 400.0 // mm

func (s *scan) spacing() float64 { return fieldOfView / float64(s.columns) }

// step is the distance of two sections, in mm.
func (s *scan) step() float64 { return (s.to - s.from) / float64(max(s.count, 2)) }

// build sets what a CT image needs beyond the common modules (PS3.3 §A.3).
func (s *scan) build(e *exam, b *builder, index int) {
	z := s.from + s.step()*float64(index)
	b.set("ImageType", "ORIGINAL", "PRIMARY", "AXIAL")
	s.acquisition(b)
	s.geometry(e, b, z)
	b.item("RequestAttributesSequence", func(item *builder) {
		item.set("ScheduledProcedureStepDescription", e.study.description)
		item.set("ScheduledProcedureStepID", "SPS"+e.study.number)
		item.set("RequestedProcedureID", "RP"+e.study.number)
	})
	s.private(b, index)
	b.floats("WindowCenter", s.window[0])
	b.floats("WindowWidth", s.window[1])
	b.floats("RescaleIntercept", -1024)
	b.floats("RescaleSlope", 1)
	b.set("RescaleType", "HU")
	b.pixels(s.rows, s.columns, 12, s.pixels(z, index))
	b.set("LossyImageCompression", "00")
}

func (s *scan) acquisition(b *builder) {
	b.set("ScanOptions", "HELICAL MODE")
	b.floats("SliceThickness", max(s.step(), 0.6))
	b.floats("KVP", 120)
	b.floats("DataCollectionDiameter", 500)
	b.floats("ReconstructionDiameter", fieldOfView)
	b.floats("DistanceSourceToDetector", 1085.6)
	b.floats("DistanceSourceToPatient", 595)
	b.floats("GantryDetectorTilt", 0)
	b.floats("TableHeight", 152.5)
	b.set("RotationDirection", "CW")
	b.set("ExposureTime", "500")
	b.set("XRayTubeCurrent", "212")
	b.set("Exposure", "106")
	b.set("FilterType", "BODY")
	b.set("GeneratorPower", "25")
	b.floats("FocalSpots", 1.2)
	b.set("DateOfLastCalibration", "20240102")
	b.set("TimeOfLastCalibration", "061500")
	b.set("ConvolutionKernel", s.kernel)
	b.set("PatientPosition", "HFS")
	b.numbers("SingleCollimationWidth", dicom.FD, 0.6)
	b.numbers("TotalCollimationWidth", dicom.FD, 38.4)
	b.numbers("TableSpeed", dicom.FD, 76.8)
	b.numbers("TableFeedPerRotation", dicom.FD, 38.4)
	b.numbers("SpiralPitchFactor", dicom.FD, 1)
	b.numbers("CTDIvol", dicom.FD, 7.1)
	b.set("ExposureModulationType", "XYZ_EC")
	b.code("CTDIPhantomTypeCodeSequence", "113691", "DCM", "IEC Body Dosimetry Phantom")
	b.code("AnatomicRegionSequence", "51185008", "SCT", "Chest")
	if s.contrast {
		b.set("ContrastBolusAgent", "Iodine 350")
		b.set("ContrastBolusRoute", "INTRAVENOUS")
		b.floats("ContrastBolusVolume", 90)
		b.floats("ContrastFlowRate", 3.5)
		b.set("ContrastBolusIngredient", "IODINE")
	}
}

func (s *scan) geometry(e *exam, b *builder, z float64) {
	corner := -fieldOfView/2 + s.spacing()/2
	b.floats("ImagePositionPatient", corner, corner, -z)
	b.floats("ImageOrientationPatient", 1, 0, 0, 0, 1, 0)
	b.set("FrameOfReferenceUID", e.frameUID())
	b.set("PositionReferenceIndicator", "SN")
	b.floats("SliceLocation", -z)
	b.floats("PixelSpacing", s.spacing(), s.spacing())
	b.set("AcquisitionNumber", "1")
	b.set("IrradiationEventUID", identifier(e.seed, "irradiation", s.series))
}

// private adds a block as the manufacturers do (PS3.5 §7.8.1).
func (s *scan) private(b *builder, index int) {
	b.d.Put(dicom.NewBytes(dicom.NewTag(0x0019, 0x0010), dicom.LO, []byte("LOTSE SYNTH 1.0")))
	b.d.Put(dicom.NewBytes(dicom.NewTag(0x0019, 0x1001), dicom.DS, []byte(decimal(s.grain))))
	b.d.Put(dicom.NewBytes(dicom.NewTag(0x0019, 0x1002), dicom.IS, []byte(decimal(float64(index)))))
	b.d.Put(dicom.NewNumbers(dicom.NewTag(0x0019, 0x1003), dicom.FD, s.from, s.to))
	b.d.Put(dicom.NewBytes(dicom.NewTag(0x0019, 0x1004), dicom.OB, make([]byte, 64)))
}

// pixels renders a section as 12-bit values: Hounsfield units and 1024. What is
// outside of the circle that was reconstructed is 0.
func (s *scan) pixels(z float64, index int) []byte {
	p := newPlane(s.columns, s.rows, s.spacing())
	s.body.slice(p, z)
	r := seeded(s.seed, s.series, index)
	out := make([]byte, 2*len(p.v))
	deviation := float32(s.grain)
	for y := range p.h {
		grain := s.noise.row(r, p.w)
		from, to := chord(y, p.h, p.w)
		for x := from; x < to; x++ {
			i := y*p.w + x
			v := min(max(p.v[i]+1024+grain[x]*deviation, 0), 4095)
			binary.LittleEndian.PutUint16(out[2*i:], uint16(v))
		}
	}
	return out
}

// chord returns the columns of row y that are within the circle around a picture.
func chord(y, h, w int) (from, to int) {
	const radius = 0.54 // of a side
	v := (float64(y)+0.5)/float64(h) - 0.5
	half := math.Sqrt(radius*radius-v*v) * float64(w)
	return max(int(float64(w)/2-half), 0), min(int(float64(w)/2+half), w)
}
