// Package receive takes objects that others send by C-STORE (PS3.4 Annex B): one of
// the sources of an import. A [Server] knows who may send from where, keeps quotas, and
// hands each object to its [Intake] as a Part 10 file while it arrives. The sender
// hears of success only after the Intake has returned, and the Intake returns only
// when the object is durable. Nothing is kept here.
//
// [Group] lets objects that arrive at the same time share one commit.
//
// Reports about storage commitment (PS3.4 Annex J) that archives send later come in at
// the same address and go to [Reports].
//
// The package knows no database and no imports: who the rules belong to, which import
// an object goes to and which transactions are open is up to the interfaces.
package receive
