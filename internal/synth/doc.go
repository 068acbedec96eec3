// Package synth makes examinations of people who do not exist: for `lotse demo`,
// for benchmarks and for tests. Everything is computed from a seed, the same bytes
// each time; nothing is taken from a real examination.
//
// [CT] writes a large examination as the ZIP of an IHE PDI medium and needs no more
// memory for thousands of slices than for one. [DemoExam] is a small one to show:
// a radiograph, a short CT and a report. [Slice] is one Part 10 file for a test.
//
// The anatomy is made of ellipses that change along the body. It serves to look
// like a patient on a screen and to compress like one; it is good for nothing else.
package synth
