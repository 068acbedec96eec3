// Package torture shows what the rule "nothing is lost" is worth: it kills the
// processes of a gateway at random points, again and again, and now and then lets one
// stand still until others have taken its work, while imports go through it by link,
// upload and C-STORE; it compares at the end what was acknowledged, what came out and
// what the audit trail says.
//
// The short form is part of the suite. The full one is
//
//	scripts/torture [-kills 200] [-seed N] [-engine sqlite,postgres] [-run TestKill]
//
// A SIGKILL leaves what the kernel had taken: it cannot show a missing fsync. Other
// tests here do, which put a gateway together inside their process over files that
// forget what was not synced, or over a database and buckets that nodes share, and let
// it die between every two durable steps.
package torture
