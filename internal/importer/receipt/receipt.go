package receipt

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"lotse/internal/importer"
)

// Item is one line of the receipt: one file that came in.
type Item struct {
	Item           int                `json:"item"` // number in the package, from 0
	Path           string             `json:"path"`
	Kind           importer.ItemKind  `json:"kind"`
	Size           int64              `json:"size"` // bytes as declared by the source, -1 unknown
	Fate           importer.Fate      `json:"fate"`
	Reason         string             `json:"reason,omitempty"`   // code, for items failed or left out
	Sentence       string             `json:"sentence,omitempty"` // the reason in words
	Detail         string             `json:"detail,omitempty"`   // for technicians
	Status         string             `json:"status,omitempty"`   // of the C-STORE response, hexadecimal
	Comment        string             `json:"comment,omitempty"`  // of the destination
	Sent           int                `json:"sent,omitempty"`     // how often it was sent
	SOPClass       string             `json:"sop_class_uid,omitempty"`
	SOPInstance    string             `json:"sop_instance_uid,omitempty"`
	Study          string             `json:"study_instance_uid,omitempty"`
	Series         string             `json:"series_instance_uid,omitempty"`
	TransferSyntax string             `json:"transfer_syntax_uid,omitempty"` // as delivered
	Bytes          int64              `json:"bytes_delivered,omitempty"`     // of the data set
	Digest         string             `json:"source_sha256,omitempty"`       // see Digests
	PixelBefore    string             `json:"pixel_sha256_before,omitempty"`
	PixelAfter     string             `json:"pixel_sha256_after,omitempty"`
	Changes        []importer.Change  `json:"changes,omitempty"`
	Findings       []importer.Finding `json:"findings,omitempty"`
}

// Totals of a receipt, in items and bytes as declared.
type Totals struct {
	CameIn    int   `json:"came_in"`
	Delivered int   `json:"delivered"`
	Warned    int   `json:"delivered_with_warning"`
	Failed    int   `json:"failed"`
	LeftOut   int   `json:"left_out"`
	Missed    int   `json:"left_out_as_unusable"` // of those left out: damaged, encrypted …
	Planned   int   `json:"planned,omitempty"`    // in a dry run
	Bytes     int64 `json:"bytes_came_in"`
	BytesOut  int64 `json:"bytes_delivered"`
}

// AddsUp reports whether every item that came in has its fate.
func (t Totals) AddsUp() bool {
	return t.CameIn == t.Delivered+t.Warned+t.Failed+t.LeftOut+t.Planned
}

// Head is what a receipt says of the import as a whole.
type Head struct {
	Version     string             `json:"lotse_version"`
	DryRun      bool               `json:"dry_run,omitempty"`
	Started     time.Time          `json:"started"`
	Finished    time.Time          `json:"finished"`
	Source      importer.Origin    `json:"source"`
	Destination string             `json:"destination"`
	LegalBasis  string             `json:"legal_basis,omitempty"` // an importer.LegalBasis
	Patient     Patient            `json:"patient"`
	Problem     string             `json:"problem,omitempty"` // code of what ended it early
	Totals      Totals             `json:"totals"`
	Findings    []importer.Finding `json:"findings"`
	// Digests explains how the digests of the items were made.
	Digests string `json:"digests"`
}

// Patient is the local patient of the decision; empty fields were left as they came.
type Patient struct {
	ID        string `json:"id,omitempty"`
	Issuer    string `json:"issuer,omitempty"`
	Name      string `json:"name,omitempty"`
	BirthDate string `json:"birth_date,omitempty"`
	Sex       string `json:"sex,omitempty"`
	Accession string `json:"accession_number,omitempty"`
}

// DigestsExplained goes into every receipt.
const DigestsExplained = "source_sha256 of a DICOM object is SHA-256 over the two SHA-256 digests of (1) all bytes but the value of the pixel data and (2) the value of the pixel data; of any other file over its bytes. pixel_sha256 is over the value of the pixel data, encapsulated ones with the headers of their fragments; a byte that pads a value of odd length for the network is not in it."

// Spool holds the items until the receipt is written.
type Spool interface {
	io.Writer
	io.ReaderAt
}

// Receipt gathers items. It is not safe for concurrent use.
type Receipt struct {
	Head
	spool   Spool
	written int64
	buf     *bufio.Writer
	seen    []bool
}

// New starts a receipt over an empty spool.
func New(head Head, spool Spool) *Receipt {
	head.Digests = DigestsExplained
	return &Receipt{Head: head, spool: spool, buf: bufio.NewWriterSize(spool, 32<<10)}
}

// Add enters an item. Each item is entered once.
func (r *Receipt) Add(it Item) error {
	for len(r.seen) <= it.Item {
		r.seen = append(r.seen, false)
	}
	if r.seen[it.Item] {
		return fmt.Errorf("receipt: item %d is entered twice", it.Item)
	}
	r.seen[it.Item] = true
	line, err := json.Marshal(it)
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	n, err := r.buf.Write(append(line, '\n'))
	r.written += int64(n)
	if err != nil {
		return fmt.Errorf("receipt: write the spool: %w", err)
	}
	r.count(it)
	return nil
}

func (r *Receipt) count(it Item) {
	t := &r.Totals
	t.CameIn++
	t.Bytes += max(it.Size, 0)
	switch it.Fate {
	case importer.Delivered:
		t.Delivered++
	case importer.Warned:
		t.Warned++
	case importer.Failed:
		t.Failed++
	case importer.Planned:
		t.Planned++
	default:
		t.LeftOut++
		if importer.ReasonCode(it.Reason).Loss() {
			t.Missed++
		}
	}
	if it.Fate == importer.Delivered || it.Fate == importer.Warned {
		t.BytesOut += it.Bytes
	}
}

// Items calls f with every item in the order it was entered.
func (r *Receipt) Items(f func(Item) error) error {
	return r.lines(func(line []byte) error {
		var it Item
		if err := json.Unmarshal(line, &it); err != nil {
			return fmt.Errorf("receipt: read the spool: %w", err)
		}
		return f(it)
	})
}

func (r *Receipt) lines(f func([]byte) error) error {
	if err := r.buf.Flush(); err != nil {
		return fmt.Errorf("receipt: write the spool: %w", err)
	}
	in := bufio.NewReaderSize(io.NewSectionReader(r.spool, 0, r.written), 32<<10)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receipt: read the spool: %w", err)
		}
		if err := f(line[:len(line)-1]); err != nil {
			return err
		}
	}
}

// WriteJSON writes the receipt as one JSON object: the head, then "items".
func (r *Receipt) WriteJSON(w io.Writer) error {
	out := bufio.NewWriter(w)
	head, err := json.MarshalIndent(r.Head, "", "  ")
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	_, _ = out.Write(head[:len(head)-2]) // bufio keeps the first error for Flush
	_, _ = out.WriteString(",\n  \"items\": [")
	sep := "\n    "
	err = r.lines(func(line []byte) error {
		_, _ = out.WriteString(sep)
		sep = ",\n    "
		_, err := out.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	_, _ = out.WriteString("\n  ]\n}\n")
	return out.Flush()
}
