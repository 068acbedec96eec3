// Package api is the HTTP side of a node: the server with everything that all routes
// have in common, and the JSON API under /api/v1.
//
// A route is registered with Register (an operation of the JSON API, described in the
// OpenAPI document that is made from its types), RegisterEvents (a live stream of
// snapshots) or Server.Handle (everything else: uploads, DLX, pages). Each names its
// permission, access.Public included; one that does not panics when the program
// starts. On the way to a handler a request gets an id, its true sender when a trusted
// proxy brought it, a bounded body, an actor that the one Authorizer let through, and
// on creations a look at the idempotency key. What goes wrong becomes a problem
// document with a stable code; panics do as well.
//
// Logs have the pattern of the route, never the path or the query.
package api
