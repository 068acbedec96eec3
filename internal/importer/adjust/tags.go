package adjust

import "lotse/dicom"

// Attributes that the rules name (PS3.6).
const (
	tagCharset          = dicom.SpecificCharacterSet
	tagAccession        = dicom.Tag(0x00080050)
	tagAccessionIssuer  = dicom.Tag(0x00080051)
	tagManufacturer     = dicom.Tag(0x00080070)
	tagInstitution      = dicom.Tag(0x00080080)
	tagCodeValue        = dicom.Tag(0x00080100)
	tagCodeScheme       = dicom.Tag(0x00080102)
	tagCodeMeaning      = dicom.Tag(0x00080104)
	tagStation          = dicom.Tag(0x00081010)
	tagProcedureCodes   = dicom.Tag(0x00081032)
	tagReferencedStudy  = dicom.Tag(0x00081110)
	tagPatientName      = dicom.Tag(0x00100010)
	tagPatientID        = dicom.Tag(0x00100020)
	tagPatientIDIssuer  = dicom.Tag(0x00100021)
	tagPatientIDType    = dicom.Tag(0x00100022)
	tagIssuerQualifiers = dicom.Tag(0x00100024)
	tagBirthDate        = dicom.Tag(0x00100030)
	tagSex              = dicom.Tag(0x00100040)
	tagOtherPatientIDs  = dicom.Tag(0x00101002)
	tagSoftware         = dicom.Tag(0x00181020)
	tagEquipment        = dicom.Tag(0x0018A001)
	tagContributed      = dicom.Tag(0x0018A002)
	tagStudyUID         = dicom.Tag(0x0020000D)
	tagSeriesUID        = dicom.Tag(0x0020000E)
	tagProcedureText    = dicom.Tag(0x00321060)
	tagProcedureCode    = dicom.Tag(0x00321064)
	tagAdmission        = dicom.Tag(0x00380010)
	tagAdmissionIssuerT = dicom.Tag(0x00380011) // retired text form
	tagAdmissionIssuer  = dicom.Tag(0x00380014)
	tagStepID           = dicom.Tag(0x00400009)
	tagPlacerIssuer     = dicom.Tag(0x00400026)
	tagFillerIssuer     = dicom.Tag(0x00400027)
	tagRequest          = dicom.Tag(0x00400275)
	tagProcedureID      = dicom.Tag(0x00401001)
	tagPlacerProcedure  = dicom.Tag(0x00401006)
	tagFillerProcedure  = dicom.Tag(0x00401007)
	tagPlacerRetired    = dicom.Tag(0x00402006)
	tagFillerRetired    = dicom.Tag(0x00402007)
	tagPlacer           = dicom.Tag(0x00402016)
	tagFiller           = dicom.Tag(0x00402017)
	tagPurpose          = dicom.Tag(0x0040A170)
	tagReferencedReq    = dicom.Tag(0x0040A370)
	tagSelector         = dicom.Tag(0x00720026)
	tagSelectorValue    = dicom.Tag(0x00720028)
	tagMACID            = dicom.Tag(0x04000005)
	tagSigned           = dicom.Tag(0x04000020)
	tagModified         = dicom.Tag(0x04000550)
	tagNonconforming    = dicom.Tag(0x04000551)
	tagNonconformValue  = dicom.Tag(0x04000552)
	tagOriginal         = dicom.Tag(0x04000561)
	tagModifiedAt       = dicom.Tag(0x04000562)
	tagModifiedBy       = dicom.Tag(0x04000563)
	tagModifiedSource   = dicom.Tag(0x04000564)
	tagModifiedReason   = dicom.Tag(0x04000565)
	tagMACParameters    = dicom.MACParametersSequence
	tagSignatures       = dicom.DigitalSignaturesSequence
)

// orderReferences are the attributes at the top of an object that refer to the
// order it was made for. Under a local accession number, or none, those of the
// foreign house must not survive: they are removed and kept in Original
// Attributes. Referenced Request Sequence is that of SR and KO documents. Requested
// Procedure Description stays: it says what was asked for, and refers to nothing.
func orderReferences() []dicom.Tag {
	return []dicom.Tag{tagAccessionIssuer, tagProcedureCodes, tagReferencedStudy,
		tagProcedureCode, tagAdmissionIssuerT, tagAdmissionIssuer,
		tagStepID, tagPlacerIssuer, tagFillerIssuer, tagRequest, tagProcedureID,
		tagPlacerProcedure, tagFillerProcedure, tagPlacerRetired, tagFillerRetired,
		tagPlacer, tagFiller, tagReferencedReq}
}

// traced reports attributes that hold the trace itself: they are appended to, and
// never looked into for values to coerce.
func traced(t dicom.Tag) bool {
	return t == tagOriginal || t == tagEquipment || t == tagSignatures || t == tagMACParameters
}
