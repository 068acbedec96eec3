package source

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lotse/dlx"
	"lotse/internal/importer"
)

// selection returns the positions of the items that terms name. Terms may stand
// alone or with commas between them. Each is tried as an id, a position from 1 or
// a range of them ("2-4"), a study date, a modality, and part of a description; the
// first of these that fits any item counts. A term that fits none is a problem:
// an examination that was asked for is missing.
func selection(terms []string, listed []importer.Listed) ([]int, error) {
	chosen := map[int]bool{}
	count := 0
	for _, group := range terms {
		parts := strings.Split(group, ",")
		if slices.ContainsFunc(listed, func(l importer.Listed) bool { return l.ID == strings.TrimSpace(group) }) {
			parts = []string{group} // an id with a comma
		}
		for _, term := range parts {
			if term = strings.TrimSpace(term); term == "" {
				continue
			}
			count++
			found := matching(term, listed)
			if len(found) == 0 {
				return nil, &importer.Problem{
					Code: importer.ProblemSelection, Err: fmt.Errorf("source: term %d of the selection fits nothing", count),
				}
			}
			for _, i := range found {
				chosen[i] = true
			}
		}
	}
	if count == 0 {
		return nil, &importer.Problem{Code: importer.ProblemSelection, Err: fmt.Errorf("source: the selection is empty")}
	}
	var positions []int
	for i := range listed {
		if chosen[i] {
			positions = append(positions, i)
		}
	}
	return positions, nil
}

// matching returns the items that one term names.
func matching(term string, listed []importer.Listed) []int {
	first, last, isRange := positions(term)
	date, dateErr := dlx.ParseDate(term)
	for _, fits := range []func(i int, l importer.Listed) bool{
		func(_ int, l importer.Listed) bool { return l.ID != "" && l.ID == term },
		func(i int, _ importer.Listed) bool {
			return isRange && first <= i+1 && i+1 <= last && last <= len(listed)
		},
		func(_ int, l importer.Listed) bool { return dateErr == nil && l.Date == string(date) },
		func(_ int, l importer.Listed) bool {
			return slices.ContainsFunc(l.Modalities, func(m string) bool { return strings.EqualFold(m, term) })
		},
		func(_ int, l importer.Listed) bool {
			return strings.Contains(strings.ToLower(l.Description), strings.ToLower(term))
		},
	} {
		var found []int
		for i, l := range listed {
			if fits(i, l) {
				found = append(found, i)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// positions reads "3" or "1-3".
func positions(term string) (first, last int, ok bool) {
	from, to, isRange := strings.Cut(term, "-")
	first, err := strconv.Atoi(strings.TrimSpace(from))
	if err != nil {
		return 0, 0, false
	}
	last = first
	if isRange {
		if last, err = strconv.Atoi(strings.TrimSpace(to)); err != nil {
			return 0, 0, false
		}
	}
	return first, last, 1 <= first && first <= last
}
