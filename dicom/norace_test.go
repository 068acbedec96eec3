//go:build !race

package dicom

const thinned = 1
