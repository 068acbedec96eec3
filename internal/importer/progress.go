package importer

import "time"

// Phase is what an import is busy with.
type Phase string

// Phases, in their order.
const (
	PhaseFetch   Phase = "fetch"   // bytes come from the source
	PhaseInspect Phase = "inspect" // files are read and judged
	PhaseDeliver Phase = "deliver" // files go to the destination
)

// Progress says how far a phase is. It is a state, not a difference, so that any
// of them may be left out; it names no person and no file.
type Progress struct {
	Phase Phase
	// Done and Total are bytes; Total is -1 when unknown.
	Done, Total int64
	// Files and FilesTotal count files; FilesTotal is -1 when unknown.
	Files, FilesTotal int
	// WaitUntil is when a peer that asked for time is asked again; zero when
	// nothing is waited for.
	WaitUntil time.Time
}
