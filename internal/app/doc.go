// Package app has the use cases of Lotse: it calls the stages of an import in
// their order and keeps what they find. The command line calls it; it knows
// nothing of terminals, flags or languages.
package app
