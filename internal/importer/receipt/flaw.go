package receipt

import "strconv"

// Flaw says why a signed receipt proves nothing. It is itself an error, to be
// compared with errors.Is.
type Flaw string

// Flaws.
const (
	Malformed      Flaw = "not a signed receipt"
	UnknownKey     Flaw = "signed with an unknown key"
	WrongSignature Flaw = "what was signed has been changed"
	WrongValue     Flaw = "a value has been changed"
	WrongTotals    Flaw = "the totals do not fit the items"
)

// Error makes a Flaw an error.
func (f Flaw) Error() string { return "receipt: " + string(f) }

// InvalidError is a Flaw and where it is. Its text has no values.
type InvalidError struct {
	Flaw Flaw
	// Position is that of the item in the receipt, from 0; -1 for what concerns all of it.
	Position int
	// Name is that of the value, such as "patient"; may be empty.
	Name string
}

func (e *InvalidError) Error() string {
	text := e.Flaw.Error()
	if e.Position >= 0 {
		text += ": entry " + strconv.Itoa(e.Position)
	}
	if e.Name != "" {
		text += ": " + e.Name
	}
	return text
}

// Unwrap returns the Flaw.
func (e *InvalidError) Unwrap() error { return e.Flaw }
