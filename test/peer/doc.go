// Package peer starts the real peers that end-to-end tests talk to: DCMTK's
// storescp and dcmqrscp, and Orthanc, each on the loopback interface with a free
// port and a directory of its own, and PostgreSQL, one server for the test process
// with a fresh database for each test. A peer that is not installed skips the test
// and says so. Peers are ended by their process when the test (PostgreSQL: the test
// process) ends, and their logs are shown when it failed.
package peer
