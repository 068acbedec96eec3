// Package gateway runs the built `lotse serve` as processes of their own and speaks
// to them as their clients do: over the HTTP API, by tus and by C-STORE. The clients
// are good ones: they try again, and they remember what they were promised. The kill
// test and the load test are made of it.
package gateway
