package dimse

import "fmt"

// Status is the status of a response (PS3.7 Annex C, PS3.4 Annex B.2.3).
type Status uint16

// Statuses that this package and its users name. Ranges are in [Status.Class].
const (
	Success                  Status = 0x0000
	Cancelled                Status = 0xFE00
	AttributeListError       Status = 0x0107
	SOPClassNotSupported     Status = 0x0122
	ProcessingFailure        Status = 0x0110
	DuplicateSOPInstance     Status = 0x0111
	NoSuchSOPInstance        Status = 0x0112
	NoSuchEventType          Status = 0x0113
	InvalidArgument          Status = 0x0115
	InvalidSOPInstance       Status = 0x0117
	NoSuchSOPClass           Status = 0x0118
	NoSuchActionType         Status = 0x0123
	NotAuthorized            Status = 0x0124
	UnrecognizedOperation    Status = 0x0211
	MistypedArgument         Status = 0x0212
	ResourceLimitation       Status = 0x0213
	OutOfResources           Status = 0xA700
	DataSetMismatch          Status = 0xA900
	CoercionOfElements       Status = 0xB000
	ElementsDiscarded        Status = 0xB006
	DataSetMismatchWarning   Status = 0xB007
	CannotUnderstand         Status = 0xC000
	RequestedWithWarnings    Status = 0x0001
	AttributeValueOutOfRange Status = 0x0116
)

// Class sorts statuses by what they mean for the operation (PS3.7 Annex C).
type Class uint8

// The classes of PS3.7 Annex C.
const (
	ClassSuccess Class = iota
	ClassWarning
	ClassFailure
	ClassCancel
	ClassPending
)

// String gives the class in one word.
func (c Class) String() string {
	return [...]string{"success", "warning", "failure", "cancel", "pending"}[min(c, ClassPending)]
}

// Class tells what the status means. A status that no standard names is a failure:
// nothing may count as stored by mistake.
func (s Status) Class() Class {
	switch {
	case s == Success:
		return ClassSuccess
	case s == 0xFF00 || s == 0xFF01:
		return ClassPending
	case s == Cancelled:
		return ClassCancel
	case s == RequestedWithWarnings, s == AttributeListError, s == AttributeValueOutOfRange, s>>12 == 0xB:
		return ClassWarning
	}
	return ClassFailure
}

// Stored reports whether a C-STORE with this status stored the object: success or
// a warning.
func (s Status) Stored() bool { c := s.Class(); return c == ClassSuccess || c == ClassWarning }

// Retryable reports whether the same request may succeed later: A7xx, out of resources.
func (s Status) Retryable() bool { return s>>8 == 0xA7 }

// String gives the status in words and hexadecimal.
func (s Status) String() string { return fmt.Sprintf("%s (%04XH)", s.words(), uint16(s)) }

func (s Status) words() string {
	switch s {
	case Success:
		return "success"
	case CoercionOfElements:
		return "stored, data elements were coerced"
	case ElementsDiscarded:
		return "stored, data elements were discarded"
	case DataSetMismatchWarning:
		return "stored, data set does not match SOP class"
	case SOPClassNotSupported:
		return "SOP class not supported"
	case ProcessingFailure:
		return "processing failure"
	case DuplicateSOPInstance:
		return "duplicate SOP instance"
	case InvalidSOPInstance:
		return "invalid SOP instance"
	case NoSuchSOPInstance:
		return "no such SOP instance"
	case NoSuchSOPClass:
		return "no such SOP class"
	case NoSuchEventType:
		return "no such event type"
	case NoSuchActionType:
		return "no such action type"
	case InvalidArgument:
		return "invalid argument value"
	case ResourceLimitation:
		return "resource limitation"
	case NotAuthorized:
		return "not authorized"
	case UnrecognizedOperation:
		return "unrecognized operation"
	case MistypedArgument:
		return "mistyped argument"
	}
	switch {
	case s>>8 == 0xA7:
		return "out of resources"
	case s>>8 == 0xA9:
		return "data set does not match SOP class"
	case s>>12 == 0xC:
		return "cannot understand"
	}
	return s.Class().String()
}
