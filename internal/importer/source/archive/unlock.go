package archive

import (
	"cmp"
	"errors"
	"io"
	"slices"

	"golang.org/x/text/encoding/charmap"

	"lotse/internal/importer"
)

const (
	// sampleCount is how many entries a password is tried on at most, besides the smallest.
	sampleCount = 15
	// trialCount is how many entries are read to tell whether a password is right, and
	// trialSize how much of each, in bytes.
	trialCount = 3
	trialSize  = 1 << 20
	// enough is how many entries have to agree with a password, by one byte each,
	// where no trial says that it is right.
	enough = 3
)

// Locked reports whether the archive has entries that a password may open.
func (a *Archive) Locked() bool { return a.lock == nil && len(a.locked()) > 0 }

// Unlock tries a password, in the encodings that archivers use, and reports whether
// it opens the archive. Entries with another password stay: see WrongPassword. It
// must not be called while the archive is read.
func (a *Archive) Unlock(password string) bool {
	indices := a.sample()
	if len(indices) == 0 {
		return false
	}
	for _, p := range encodings(password) {
		a.lock = a.newLock(p)
		if a.opens(indices) {
			return true
		}
	}
	a.lock = nil
	return false
}

// RefuseLocked makes entries that a password may open ones that cannot be opened.
func (a *Archive) RefuseLocked(reason importer.ReasonCode) {
	for _, i := range a.locked() {
		a.entries[i].refused = reason
	}
}

// WrongPassword reports whether file i is encrypted with another password than the
// archive was unlocked with.
func (a *Archive) WrongPassword(i int) bool {
	if a.entries[i].encryption == unencrypted || a.refused(&a.entries[i]) != "" {
		return false
	}
	_, err := a.packed(i)
	return errors.Is(err, errPassword)
}

// encodings are the bytes that may stand for a password: archivers took what their
// system has, UTF-8, the code page of DOS, or that of Windows.
func encodings(password string) [][]byte {
	all := [][]byte{[]byte(password)}
	for _, page := range []*charmap.Charmap{charmap.CodePage437, charmap.Windows1252} {
		b, err := page.NewEncoder().Bytes([]byte(password))
		if err == nil && !slices.ContainsFunc(all, func(other []byte) bool { return string(other) == string(b) }) {
			all = append(all, b)
		}
	}
	return all
}

// locked are the entries that a password may open.
func (a *Archive) locked() []int {
	var all []int
	for i := range a.entries {
		if a.entries[i].encryption != unencrypted && a.entries[i].refused == "" {
			all = append(all, i)
		}
	}
	return all
}

// sample chooses entries to try a password on: the smallest that is not empty, and
// others from all over the archive, ordered by size.
func (a *Archive) sample() []int {
	all := a.locked()
	var chosen []int
	for n := range min(sampleCount, len(all)) {
		chosen = append(chosen, all[n*len(all)/min(sampleCount, len(all))])
	}
	smallest := -1
	for _, i := range all {
		if size := a.entries[i].size; size > 0 && (smallest < 0 || size < a.entries[smallest].size) {
			smallest = i
		}
	}
	if smallest >= 0 && !slices.Contains(chosen, smallest) {
		chosen = append(chosen, smallest)
	}
	slices.SortStableFunc(chosen, func(x, y int) int { return cmp.Compare(a.entries[x].size, a.entries[y].size) })
	return chosen
}

// opens judges the password by the entries of a sample. With AES, whose verifier is
// long enough, one that agrees will do. Traditional encryption has one byte, so that
// an entry is read to its checksum; where what was read is damaged, several have to agree.
func (a *Archive) opens(indices []int) bool {
	agree, tried, empty := 0, 0, 0
	for _, i := range indices {
		e := &a.entries[i]
		if e.size == 0 && e.encryption == pkware {
			empty++ // whatever agrees with it, by chance or not, it tells nothing
			continue
		}
		if _, err := a.packed(i); err != nil {
			continue
		}
		if e.encryption != pkware {
			return true
		}
		agree++
		if tried < trialCount {
			tried++
			if a.trial(i) {
				return true
			}
		}
	}
	return agree >= enough || empty == len(indices)
}

// trial reads the beginning of file i, if it is small all of it, and reports
// whether that went well.
func (a *Archive) trial(i int) bool {
	r, err := a.Open(i)
	if err != nil {
		return false
	}
	defer func() { _ = r.Close() }()
	_, err = io.CopyN(io.Discard, r, trialSize+1)
	return err == nil || errors.Is(err, io.EOF)
}
