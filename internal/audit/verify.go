package audit

import (
	"encoding/hex"
	"slices"
	"sort"
	"time"

	"lotse/internal/store"
)

// Code says what is wrong with a chain.
type Code string

// Codes of findings.
const (
	Changed         Code = "changed"          // an event or its link is not what was linked
	Reordered       Code = "reordered"        // it is, and stands at another place
	LinkMissing     Code = "link-missing"     // numbers of the chain are missing
	EventMissing    Code = "event-missing"    // there is a link and no event
	Inserted        Code = "inserted"         // an event came past the product
	PassedOver      Code = "passed-over"      // an event has no link although later ones have
	HeadForged      Code = "head-forged"      // the signature of a head is wrong
	HeadForeign     Code = "head-foreign"     // it was signed with a key that is not this tenant's
	HeadDiffers     Code = "head-differs"     // what was signed is not the link that is there
	HeadsMissing    Code = "heads-missing"    // links were not signed although later ones came
	ExportedForged  Code = "exported-forged"  // the signature of an exported head is wrong
	ExportedDiffers Code = "exported-differs" // what was exported is not the link that is there: the tail was replaced
	ExportedBeyond  Code = "exported-beyond"  // what was exported is not there: the tail was cut off
)

// Codes lists all codes.
func Codes() []Code {
	return []Code{Changed, Reordered, LinkMissing, EventMissing, Inserted, PassedOver, HeadForged, HeadForeign, HeadDiffers, HeadsMissing,
		ExportedForged, ExportedDiffers, ExportedBeyond}
}

// Finding is one thing that is wrong.
type Finding struct {
	Code  Code   `json:"code"`
	Seq   int64  `json:"seq,omitempty" doc:"The number in the chain."`
	Until int64  `json:"until,omitempty" doc:"The last number, of several."`
	Event string `json:"event,omitempty" doc:"Id of the event."`
}

// Report is what verifying a chain came to.
type Report struct {
	Tenant         string    `json:"tenant"`
	At             time.Time `json:"at" doc:"Of the state that was verified, by the database's clock."`
	Links          int64     `json:"links"`
	Last           int64     `json:"last" doc:"The last number."`
	LastHash       string    `json:"last_hash,omitempty"`
	Heads          int64     `json:"heads" doc:"Signed links."`
	Signed         int64     `json:"signed" doc:"The last number that is signed: what follows is the tail."`
	Exported       int64     `json:"exported" doc:"Exported heads that it was compared with."`
	Pinned         bool      `json:"pinned" doc:"Whether the public key was known from elsewhere than the database."`
	Unlinked       int64     `json:"unlinked" doc:"Events that are not linked yet."`
	OldestUnlinked time.Time `json:"oldest_unlinked,omitzero"`
	Wrong          int64     `json:"wrong" doc:"How many findings there are."`
	Findings       []Finding `json:"findings" nullable:"false" doc:"The first 1,000 of them."`
}

const (
	maxFindings = 1000
	// maxSorted is how many links that do not fit are compared with each other.
	maxSorted = 24
	// patience is how late the linker and the signer may be.
	patience = 10 * time.Minute
	// shortPause is how much of a pause between two links counts as time that passed.
	shortPause = time.Minute
)

// exported is a head as it is kept for comparing.
type exported struct {
	seq  int64
	hash [32]byte
}

// misfit is a link whose hash is not that of its event.
type misfit struct {
	link     store.Link
	previous string // the hash of the link before, as it is stored
}

// Verifier verifies the chain of a tenant as it is read; it implements
// store.ChainReader. Its memory does not grow with the chain, but with the heads that
// it is compared with (40 bytes each).
type Verifier struct {
	report   Report
	trusted  map[string]bool
	exported []exported
	next     int // the exported head to compare with

	last      store.Link
	unsigned  time.Duration // how long links came after the last head, without long pauses
	misfits   []misfit
	progress  func(links int64)
	differing map[int64]bool // numbers of exported heads that were told
}

// NewVerifier verifies the chain of a tenant. Keys are public keys that are known to be
// the tenant's; with none, those of the exported heads and of the database are believed.
func NewVerifier(tenant string, keys []string, progress func(links int64)) *Verifier {
	v := &Verifier{report: Report{Tenant: tenant, Findings: []Finding{}, Pinned: len(keys) > 0}, trusted: map[string]bool{},
		progress: progress, differing: map[int64]bool{}}
	for _, k := range keys {
		v.trusted[k] = true
	}
	return v
}

// Compare takes an exported head, before the chain is read. Those of other tenants are
// left aside.
func (v *Verifier) Compare(h store.Head) error {
	if h.Tenant != v.report.Tenant {
		return nil
	}
	v.report.Exported++
	var e exported
	if n, err := hex.Decode(e.hash[:], []byte(h.Hash)); err != nil || n != len(e.hash) || !Signed(h) {
		v.find(Finding{Code: ExportedForged, Seq: h.Seq})
		return nil
	}
	if !v.report.Pinned || !v.trusted[h.Public] { // it came from elsewhere than the database
		v.trusted[h.Public] = true
	}
	e.seq = h.Seq
	v.exported = append(v.exported, e)
	return nil
}

// find notes what is wrong.
func (v *Verifier) find(f Finding) {
	if v.report.Wrong++; len(v.report.Findings) < maxFindings {
		v.report.Findings = append(v.report.Findings, f)
	}
}

// begin is done before the first link.
func (v *Verifier) begin() {
	v.report.Pinned = len(v.trusted) > 0
	sort.SliceStable(v.exported, func(i, j int) bool { return v.exported[i].seq < v.exported[j].seq })
}

// Link takes the next link.
func (v *Verifier) Link(l store.Link, signed *store.Head) error {
	if v.report.Links == 0 {
		v.begin()
	}
	if l.Seq != v.last.Seq+1 {
		v.find(Finding{Code: LinkMissing, Seq: v.last.Seq + 1, Until: l.Seq - 1})
	}
	switch {
	case l.Event.Gone:
		v.find(Finding{Code: EventMissing, Seq: l.Seq, Event: l.Event.ID})
	case l.Hash != l.Digest(v.report.Tenant, v.last.Hash):
		v.misfit(l)
	}
	v.compare(l)
	if pause := time.Duration(l.Linked-v.last.Linked) * time.Microsecond; v.report.Links > 0 {
		v.unsigned += min(max(pause, 0), shortPause) // it may have been that no node ran
	}
	if signed != nil {
		v.head(*signed, l.Hash)
	}
	v.last = l
	v.report.Links++
	if v.progress != nil && v.report.Links%100_000 == 0 {
		v.progress(v.report.Links)
	}
	return nil
}

// misfit keeps the first links that do not fit, to see whether they were reordered.
// After a gap a link cannot fit, and that is told already.
func (v *Verifier) misfit(l store.Link) {
	if l.Seq != v.last.Seq+1 {
		return
	}
	if len(v.misfits) < maxSorted {
		v.misfits = append(v.misfits, misfit{l, v.last.Hash})
		return
	}
	v.find(Finding{Code: Changed, Seq: l.Seq, Event: l.Event.ID})
}

// compare compares a link with what was exported of it.
func (v *Verifier) compare(l store.Link) {
	for ; v.next < len(v.exported) && v.exported[v.next].seq <= l.Seq; v.next++ {
		e := v.exported[v.next]
		if e.seq == l.Seq && hex.EncodeToString(e.hash[:]) != l.Hash && !v.differing[e.seq] {
			v.differing[e.seq] = true
			v.find(Finding{Code: ExportedDiffers, Seq: e.seq})
		}
	}
}

// head takes the head of a link that has a hash.
func (v *Verifier) head(h store.Head, hash string) {
	v.report.Heads++
	switch {
	case !Signed(h):
		v.find(Finding{Code: HeadForged, Seq: h.Seq})
	case len(v.trusted) > 0 && !v.trusted[h.Public]:
		v.find(Finding{Code: HeadForeign, Seq: h.Seq})
	case h.Hash != hash:
		v.find(Finding{Code: HeadDiffers, Seq: h.Seq})
	default:
		v.report.Signed, v.unsigned = h.Seq, 0
	}
}

// Stray takes a head without a link.
func (v *Verifier) Stray(h store.Head) error {
	if !Signed(h) {
		v.find(Finding{Code: HeadForged, Seq: h.Seq})
		return nil
	}
	v.report.Heads++
	v.find(Finding{Code: HeadDiffers, Seq: h.Seq})
	return nil
}

// Unlinked takes an event without a link.
func (v *Verifier) Unlinked(u store.Unlinked) error {
	late := time.UnixMicro(v.last.Linked).Sub(u.At) > patience
	switch {
	case !u.Pending:
		v.find(Finding{Code: Inserted, Event: u.ID})
	case late:
		v.find(Finding{Code: PassedOver, Event: u.ID})
	}
	if u.Pending {
		if v.report.Unlinked == 0 {
			v.report.OldestUnlinked = u.At
		}
		v.report.Unlinked++
	}
	return nil
}

// Report ends the verifying of a state of a time.
func (v *Verifier) Report(at time.Time) *Report {
	if v.report.Links == 0 {
		v.begin()
	}
	if v.next < len(v.exported) {
		v.find(Finding{Code: ExportedBeyond, Seq: v.exported[v.next].seq, Until: v.exported[len(v.exported)-1].seq})
	}
	if v.unsigned > patience {
		v.find(Finding{Code: HeadsMissing, Seq: v.report.Signed + 1, Until: v.last.Seq})
	}
	v.sortMisfits()
	v.report.At, v.report.Last, v.report.LastHash = at, v.last.Seq, v.last.Hash
	slices.SortStableFunc(v.report.Findings, func(a, b Finding) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	return &v.report
}

// sortMisfits tells links that stand elsewhere from those that are changed.
func (v *Verifier) sortMisfits() {
	for _, m := range v.misfits {
		code := Changed
		if v.movedHere(m) {
			code = Reordered
		}
		v.find(Finding{Code: code, Seq: m.link.Seq, Event: m.link.Event.ID})
	}
}

// movedHere reports whether the event of a misfit, or the whole link, fits at the place
// of another one.
func (v *Verifier) movedHere(m misfit) bool {
	var hashes []string
	for _, other := range v.misfits {
		hashes = append(hashes, other.previous, other.link.Hash)
	}
	for _, other := range v.misfits {
		if other.link.Seq == m.link.Seq {
			continue
		}
		for _, previous := range hashes {
			there := other.link // the event alone was moved: the link stayed
			there.Event = m.link.Event
			if there.Digest(v.report.Tenant, previous) == other.link.Hash {
				return true
			}
			whole := m.link // the link was moved with its hash
			whole.Seq = other.link.Seq
			if whole.Digest(v.report.Tenant, previous) == m.link.Hash {
				return true
			}
		}
	}
	return false
}
