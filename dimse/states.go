package dimse

import (
	"fmt"

	"lotse/dimse/pdu"
)

// state is a state of the upper layer protocol machine (PS3.8 §9.2.1, tables 9-1
// to 9-5). docs/dimse-states.md shows what this file holds; a test compares them.
type state uint8

const (
	sta1  state = iota + 1 // idle
	sta2                   // transport connection open, awaiting A-ASSOCIATE-RQ
	sta3                   // awaiting local A-ASSOCIATE response
	sta4                   // awaiting transport connection opening
	sta5                   // awaiting A-ASSOCIATE-AC or -RJ
	sta6                   // established, ready for data transfer
	sta7                   // awaiting A-RELEASE-RP
	sta8                   // awaiting local A-RELEASE response
	sta9                   // release collision, requestor: awaiting local A-RELEASE response
	sta10                  // release collision, acceptor: awaiting A-RELEASE-RP
	sta11                  // release collision, requestor: awaiting A-RELEASE-RP
	sta12                  // release collision, acceptor: awaiting local A-RELEASE response
	sta13                  // awaiting transport connection close
)

const stateCount = 13

func (s state) String() string { return fmt.Sprintf("Sta%d", uint8(s)) }

// event is what can happen to the machine (PS3.8 table 9-10).
type event uint8

const (
	evt1  event = iota + 1 // A-ASSOCIATE request
	evt2                   // transport connection confirmed
	evt3                   // A-ASSOCIATE-AC received
	evt4                   // A-ASSOCIATE-RJ received
	evt5                   // transport connection indication
	evt6                   // A-ASSOCIATE-RQ received
	evt7                   // A-ASSOCIATE response, accept
	evt8                   // A-ASSOCIATE response, reject
	evt9                   // P-DATA request
	evt10                  // P-DATA-TF received
	evt11                  // A-RELEASE request
	evt12                  // A-RELEASE-RQ received
	evt13                  // A-RELEASE-RP received
	evt14                  // A-RELEASE response
	evt15                  // A-ABORT request
	evt16                  // A-ABORT received
	evt17                  // transport connection closed
	evt18                  // ARTIM timer expired
	evt19                  // unrecognized or invalid PDU received
)

const eventCount = 19

func (e event) String() string { return fmt.Sprintf("Evt%d", uint8(e)) }

// received gives the event that the arrival of a PDU is.
func received(t pdu.Type) event {
	switch t {
	case pdu.TypeAssociateRQ:
		return evt6
	case pdu.TypeAssociateAC:
		return evt3
	case pdu.TypeAssociateRJ:
		return evt4
	case pdu.TypeDataTF:
		return evt10
	case pdu.TypeReleaseRQ:
		return evt12
	case pdu.TypeReleaseRP:
		return evt13
	case pdu.TypeAbort:
		return evt16
	}
	return evt19
}

// action is one of PS3.8 tables 9-6 to 9-9. The zero action means that the
// event cannot happen in that state.
type action uint8

const (
	ae1 action = iota + 1
	ae2
	ae3
	ae4
	ae5
	ae6
	ae7
	ae8
	dt1
	dt2
	ar1
	ar2
	ar3
	ar4
	ar5
	ar6
	ar7
	ar8
	ar9
	ar10
	aa1
	aa2
	aa3
	aa4
	aa5
	aa6
	aa7
	aa8
)

func (a action) String() string {
	if int(a) < len(actions) && actions[a].name != "" {
		return actions[a].name
	}
	return "-"
}

// timerChange is what an action does to the ARTIM timer.
type timerChange uint8

const (
	timerKept timerChange = iota
	timerStarted
	timerStopped
)

// abortPDU says which A-ABORT an action sends by itself.
type abortPDU uint8

const (
	noAbort abortPDU = iota
	userAbort
	providerAbort
)

// effect is what an action does.
type effect struct {
	name  string
	send  pdu.Type // PDU given by the caller with the primitive; 0 for none
	abort abortPDU // A-ABORT the action sends by itself
	timer timerChange
	close bool  // closes the transport connection
	next  state // state afterwards
	// otherwise is the state where the action branches: AE-6 after an unacceptable
	// request, AR-8 on the side of the acceptor.
	otherwise state
}

// actions is PS3.8 tables 9-6 to 9-9.
var actions = [...]effect{
	ae1:  {name: "AE-1", next: sta4},
	ae2:  {name: "AE-2", send: pdu.TypeAssociateRQ, next: sta5},
	ae3:  {name: "AE-3", next: sta6},
	ae4:  {name: "AE-4", close: true, next: sta1},
	ae5:  {name: "AE-5", timer: timerStarted, next: sta2},
	ae6:  {name: "AE-6", timer: timerStopped, next: sta3, otherwise: sta13},
	ae7:  {name: "AE-7", send: pdu.TypeAssociateAC, next: sta6},
	ae8:  {name: "AE-8", send: pdu.TypeAssociateRJ, timer: timerStarted, next: sta13},
	dt1:  {name: "DT-1", send: pdu.TypeDataTF, next: sta6},
	dt2:  {name: "DT-2", next: sta6},
	ar1:  {name: "AR-1", send: pdu.TypeReleaseRQ, next: sta7},
	ar2:  {name: "AR-2", next: sta8},
	ar3:  {name: "AR-3", close: true, next: sta1},
	ar4:  {name: "AR-4", send: pdu.TypeReleaseRP, timer: timerStarted, next: sta13},
	ar5:  {name: "AR-5", timer: timerStopped, next: sta1},
	ar6:  {name: "AR-6", next: sta7},
	ar7:  {name: "AR-7", send: pdu.TypeDataTF, next: sta8},
	ar8:  {name: "AR-8", next: sta9, otherwise: sta10},
	ar9:  {name: "AR-9", send: pdu.TypeReleaseRP, next: sta11},
	ar10: {name: "AR-10", next: sta12},
	aa1:  {name: "AA-1", abort: userAbort, timer: timerStarted, next: sta13},
	aa2:  {name: "AA-2", timer: timerStopped, close: true, next: sta1},
	aa3:  {name: "AA-3", close: true, next: sta1},
	aa4:  {name: "AA-4", next: sta1},
	aa5:  {name: "AA-5", timer: timerStopped, next: sta1},
	aa6:  {name: "AA-6", next: sta13},
	aa7:  {name: "AA-7", abort: providerAbort, next: sta13},
	aa8:  {name: "AA-8", abort: providerAbort, timer: timerStarted, next: sta13},
}

// transitions is PS3.8 table 9-10: the action for each event and state.
var transitions = [eventCount + 1][stateCount + 1]action{
	evt1:  {sta1: ae1},
	evt2:  {sta4: ae2},
	evt3:  {sta2: aa1, sta3: aa8, sta5: ae3, sta6: aa8, sta7: aa8, sta8: aa8, sta9: aa8, sta10: aa8, sta11: aa8, sta12: aa8, sta13: aa6},
	evt4:  {sta2: aa1, sta3: aa8, sta5: ae4, sta6: aa8, sta7: aa8, sta8: aa8, sta9: aa8, sta10: aa8, sta11: aa8, sta12: aa8, sta13: aa6},
	evt5:  {sta1: ae5},
	evt6:  {sta2: ae6, sta3: aa8, sta5: aa8, sta6: aa8, sta7: aa8, sta8: aa8, sta9: aa8, sta10: aa8, sta11: aa8, sta12: aa8, sta13: aa7},
	evt7:  {sta3: ae7},
	evt8:  {sta3: ae8},
	evt9:  {sta6: dt1, sta8: ar7},
	evt10: {sta2: aa1, sta3: aa8, sta5: aa8, sta6: dt2, sta7: ar6, sta8: aa8, sta9: aa8, sta10: aa8, sta11: aa8, sta12: aa8, sta13: aa6},
	evt11: {sta6: ar1},
	evt12: {sta2: aa1, sta3: aa8, sta5: aa8, sta6: ar2, sta7: ar8, sta8: aa8, sta9: aa8, sta10: aa8, sta11: aa8, sta12: aa8, sta13: aa6},
	evt13: {sta2: aa1, sta3: aa8, sta5: aa8, sta6: aa8, sta7: ar3, sta8: aa8, sta9: aa8, sta10: ar10, sta11: ar3, sta12: aa8, sta13: aa6},
	evt14: {sta8: ar4, sta9: ar9, sta12: ar4},
	evt15: {sta3: aa1, sta4: aa2, sta5: aa1, sta6: aa1, sta7: aa1, sta8: aa1, sta9: aa1, sta10: aa1, sta11: aa1, sta12: aa1},
	evt16: {sta2: aa2, sta3: aa3, sta5: aa3, sta6: aa3, sta7: aa3, sta8: aa3, sta9: aa3, sta10: aa3, sta11: aa3, sta12: aa3, sta13: aa2},
	evt17: {sta2: aa5, sta3: aa4, sta4: aa4, sta5: aa4, sta6: aa4, sta7: aa4, sta8: aa4, sta9: aa4, sta10: aa4, sta11: aa4, sta12: aa4, sta13: ar5},
	evt18: {sta2: aa2, sta13: aa2},
	evt19: {sta2: aa1, sta3: aa8, sta5: aa8, sta6: aa8, sta7: aa8, sta8: aa8, sta9: aa8, sta10: aa8, sta11: aa8, sta12: aa8, sta13: aa7},
}

// machine is the state of one association.
type machine struct {
	state    state
	acceptor bool
}

// step takes the transition for an event. accept matters only to AE-6: whether
// the request just received is acceptable. An event that cannot happen in the
// state is an error and changes nothing.
func (m *machine) step(e event, accept bool) (effect, error) {
	if int(e) >= len(transitions) || int(m.state) >= len(transitions[e]) {
		return effect{}, fmt.Errorf("no event %v in state %v", e, m.state)
	}
	a := transitions[e][m.state]
	if a == 0 {
		return effect{}, &stateError{state: m.state, event: e}
	}
	x := actions[a]
	switch {
	case a == ae6 && !accept, a == ar8 && m.acceptor:
		x.next = x.otherwise
	}
	if a == ae6 && !accept {
		x.send, x.timer = pdu.TypeAssociateRJ, timerStarted
	}
	m.state = x.next
	return x, nil
}

// stateError tells that a primitive does not fit the state.
type stateError struct {
	state state
	event event
}

func (e *stateError) Error() string {
	return fmt.Sprintf("%v is not possible in %v", e.event, e.state)
}
