// Package config is what an administrator can set: plain structs, read from
// defaults, a file and the environment, checked, and explained.
//
// Load puts three layers on top of each other: Default, then lotse.yaml, then the
// variables LOTSE_…. A key of the file is written with dots here (database.url); its
// variable is LOTSE_ and the key in capitals with underscores (LOTSE_DATABASE_URL).
// Every secret K can also be given as K_file (LOTSE_…_FILE): the name of a file that
// holds it. What no key is named like is an error, and so is what makes no sense;
// all errors are told at once, each with its place and what to do.
//
// The package opens nothing and knows no adapter: whoever puts a node together
// hands each part the struct that concerns it.
package config
