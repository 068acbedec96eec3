//go:build race

package dicom

// thinned: the race detector makes everything slow, and every fourth sample is
// enough to find races; all are read without it.
const thinned = 4
