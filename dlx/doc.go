// Package dlx speaks DICOM Link Exchange (DIN/TS 19455) version 1: it fetches
// the examination behind a patient's link, and it serves one.
//
// The consumer's way is Probe, Authenticate, List, Fetch:
//
//	client := dlx.New(dlx.Config{})
//	portal, err := client.Probe(ctx, link)            // questions, and where answers go
//	session, err := client.Authenticate(ctx, portal, answers)
//	items, err := session.List(ctx)
//	err = session.FetchAll(ctx, sink)                 // or Fetch, item by item
//
// Every failure that a caller decides on is an [*Error] with a [Kind], and
// errors.Is(err, dlx.Expired) works. Its text never holds a link, a token, an
// answer or a name; the secrets are values of [Secret], which print [redacted].
//
// What comes from a portal is hostile: answers are bounded, redirects are
// limited and never leave https, and a person's answers go only to the site
// that the link names or that was confirmed (Config.AllowHosts).
//
// The package does not keep a request from reaching the inside of a network:
// give [NewTransport] a control hook for that. It neither opens nor checks what
// it fetched, beyond [Sniff].
//
// [Handler] is the portal's side. Package dlxtest has portals that misbehave.
//
// Of version 2 there is the importer: [ImportHandler] takes links over from other
// systems, [ImportClient] hands them over.
package dlx
