package commitment

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"lotse/dicom"
)

// ErrTooLarge tells that a transaction exceeds [MaxReferences] or [MaxBytes].
var ErrTooLarge = errors.New("too many references for one transaction")

// errContent is wrapped when a data set lacks what it must have.
var errContent = errors.New("storage commitment data set")

// The attributes of PS3.4 tables J.3-1 and J.3-3.
const (
	tagRefClass      dicom.Tag = 0x00081150
	tagRefInstance   dicom.Tag = 0x00081155
	tagTransaction   dicom.Tag = 0x00081195
	tagFailureReason dicom.Tag = 0x00081197
	tagFailed        dicom.Tag = 0x00081198
	tagReferenced    dicom.Tag = 0x00081199
)

// maxUID is the longest UID, in characters (PS3.5 §9.1).
const maxUID = 64

func (r Request) encode(syntax string) ([]byte, error) {
	if len(r.Referenced) == 0 {
		return nil, fmt.Errorf("%w: nothing is referenced", errContent)
	}
	return encode(syntax, r.TransactionUID, r.Referenced, nil)
}

func (r Report) encode(syntax string) ([]byte, error) {
	return encode(syntax, r.TransactionUID, r.Committed, r.Failed)
}

func encode(syntax, transaction string, referenced []Reference, failed []Failure) ([]byte, error) {
	if len(referenced)+len(failed) > MaxReferences {
		return nil, ErrTooLarge
	}
	d := dicom.New()
	if err := put(d, tagTransaction, transaction); err != nil {
		return nil, err
	}
	if err := putItems(d, tagReferenced, referenced, Reference.item); err != nil {
		return nil, err
	}
	if err := putItems(d, tagFailed, failed, Failure.item); err != nil {
		return nil, err
	}
	return d.Encode(syntax)
}

func putItems[T any](d *dicom.Dataset, t dicom.Tag, list []T, item func(T) (*dicom.Dataset, error)) error {
	if len(list) == 0 {
		return nil
	}
	items := make([]*dicom.Dataset, 0, len(list))
	for _, x := range list {
		one, err := item(x)
		if err != nil {
			return err
		}
		items = append(items, one)
	}
	d.Put(dicom.NewSequence(t, items...))
	return nil
}

func (r Reference) item() (*dicom.Dataset, error) {
	d := dicom.New()
	return d, errors.Join(put(d, tagRefClass, r.SOPClass), put(d, tagRefInstance, r.SOPInstance))
}

func (f Failure) item() (*dicom.Dataset, error) {
	d, err := f.Reference.item()
	d.Put(dicom.NewNumbers(tagFailureReason, dicom.US, float64(f.Reason)))
	return d, err
}

// put sets a UID, which is not repeated in errors.
func put(d *dicom.Dataset, t dicom.Tag, value string) error {
	if !plausible(value) {
		return fmt.Errorf("%w: %s is not a UID", errContent, t)
	}
	d.Put(dicom.NewBytes(t, dicom.UI, []byte(value)))
	return nil
}

// plausible is lenient: there are UIDs in use that break the rules of PS3.5 §9.1.
func plausible(value string) bool {
	if len(value) < 1 || len(value) > maxUID {
		return false
	}
	for _, c := range []byte(value) {
		if c <= ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

func decodeRequest(r io.Reader, syntax string) (Request, error) {
	d, transaction, err := decode(r, syntax)
	if err != nil {
		return Request{}, err
	}
	list, err := references(d.Items(tagReferenced))
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%w: nothing is referenced", errContent)
	}
	return Request{TransactionUID: transaction, Referenced: list}, err
}

func decodeReport(r io.Reader, syntax string) (Report, error) {
	d, transaction, err := decode(r, syntax)
	if err != nil {
		return Report{}, err
	}
	committed, err := references(d.Items(tagReferenced))
	if err != nil {
		return Report{}, err
	}
	failed, err := failures(d.Items(tagFailed))
	if err != nil {
		return Report{}, err
	}
	if len(committed)+len(failed) > MaxReferences {
		return Report{}, ErrTooLarge
	}
	return Report{TransactionUID: transaction, Committed: without(committed, failed), Failed: failed}, nil
}

// decode reads a data set and its transaction UID. What is cut off is an error: half a
// report must not look like a whole one.
func decode(r io.Reader, syntax string) (*dicom.Dataset, string, error) {
	raw, err := readAll(r)
	if err != nil {
		return nil, "", fmt.Errorf("read a storage commitment data set: %w", err)
	}
	in, err := dicom.NewReader(bytes.NewReader(raw), int64(len(raw)), dicom.ReadOptions{
		Syntax: syntax, Threshold: MaxBytes, MaxHeader: MaxBytes, MaxDepth: 8, MaxElements: 4*MaxReferences + 1000})
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errContent, err)
	}
	d, complete, err := in.Head()
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errContent, err)
	}
	if !complete || in.Truncated() || in.Cut() >= 0 {
		return nil, "", fmt.Errorf("%w: cut off", errContent)
	}
	transaction := d.String(tagTransaction)
	if !plausible(transaction) {
		return nil, "", fmt.Errorf("%w: no transaction UID", errContent)
	}
	return d, transaction, nil
}

func references(items []*dicom.Dataset) ([]Reference, error) {
	if len(items) > MaxReferences {
		return nil, ErrTooLarge
	}
	var list []Reference
	for _, item := range items {
		r, err := reference(item)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func failures(items []*dicom.Dataset) ([]Failure, error) {
	if len(items) > MaxReferences {
		return nil, ErrTooLarge
	}
	var list []Failure
	for _, item := range items {
		r, err := reference(item)
		if err != nil {
			return nil, err
		}
		reason, ok := item.Int(tagFailureReason)
		if !ok || reason < 0 || reason > 0xFFFF {
			reason = int(ProcessingFailure) // failed it has in any case
		}
		list = append(list, Failure{Reference: r, Reason: Reason(reason)})
	}
	return list, nil
}

func reference(item *dicom.Dataset) (Reference, error) {
	r := Reference{SOPClass: item.String(tagRefClass), SOPInstance: item.String(tagRefInstance)}
	if !plausible(r.SOPInstance) || !plausible(r.SOPClass) {
		return r, fmt.Errorf("%w: reference without UIDs", errContent)
	}
	return r, nil
}

// without takes the failed objects out of the committed ones.
func without(committed []Reference, failed []Failure) []Reference {
	if len(committed) == 0 || len(failed) == 0 {
		return committed
	}
	bad := make(map[string]bool, len(failed))
	for _, f := range failed {
		bad[f.SOPInstance] = true
	}
	kept := committed[:0]
	for _, r := range committed {
		if !bad[r.SOPInstance] {
			kept = append(kept, r)
		}
	}
	return kept
}
