package importer

import "fmt"

// State is where an import stands. What may follow what is in [Next] and drawn in
// docs/states.md.
type State string

// States of an import.
const (
	Fetching   State = "fetching"   // bytes come in, or are waited for
	Waiting    State = "waiting"    // for a person: an answer, a password, a choice
	Inspecting State = "inspecting" // what came in is looked at
	Review     State = "review"     // for a person's decision
	Delivering State = "delivering" // to one or more destinations
	Arrived    State = "delivered"  // verified at every destination
	Rejected   State = "rejected"   // a person does not want it
	Broken     State = "failed"     // nothing goes on by itself; a person may try again
	Cancelled  State = "cancelled"  // a person stopped it
	Purged     State = "purged"     // its key, bytes and personal data are gone
)

// States lists all states in the order of an import's way.
func States() []State {
	return []State{Fetching, Waiting, Inspecting, Review, Delivering, Arrived, Rejected, Broken, Cancelled, Purged}
}

// Ended reports whether nothing is done for an import in this state any more but
// to purge it.
func (s State) Ended() bool {
	return s == Arrived || s == Rejected || s == Cancelled || s == Purged
}

// Event is what moves an import from one state to the next.
type Event string

// Events of an import.
const (
	EventAsked     Event = "asked"     // only a person can say how to go on
	EventAnswered  Event = "answered"  // the fetch goes on
	EventUnlocked  Event = "unlocked"  // the inspection goes on
	EventFetched   Event = "fetched"   // everything is here, durably
	EventInspected Event = "inspected" // it is known what came
	EventExtended  Event = "extended"  // another medium is added
	EventDecided   Event = "decided"   // a person decided
	EventRejected  Event = "rejected"  // a person does not want it
	EventVerified  Event = "verified"  // at every destination
	EventRecalled  Event = "recalled"  // the decision is taken back
	EventFailed    Event = "failed"    // there is no way on without a person
	EventRefetch   Event = "refetch"   // a person tries again, from the fetch
	EventReinspect Event = "reinspect" // … from the inspection
	EventRedeliver Event = "redeliver" // … the deliveries that fell short
	EventCancelled Event = "cancelled" // a person stops it
	EventPurged    Event = "purged"    // its time has come
)

// transitions say where an event leads from a state; what is not in it cannot
// happen. Cancelled and purged are in Next, since they come from nearly everywhere.
func transitions() map[State]map[Event]State {
	return map[State]map[Event]State{
		Fetching:   {EventAsked: Waiting, EventFetched: Inspecting, EventFailed: Broken},
		Waiting:    {EventAnswered: Fetching, EventUnlocked: Inspecting},
		Inspecting: {EventAsked: Waiting, EventInspected: Review, EventFailed: Broken},
		Review:     {EventDecided: Delivering, EventRejected: Rejected, EventExtended: Fetching},
		Delivering: {EventVerified: Arrived, EventRecalled: Review, EventFailed: Broken},
		Broken:     {EventRefetch: Fetching, EventReinspect: Inspecting, EventRedeliver: Delivering, EventRecalled: Review, EventRejected: Rejected},
	}
}

// ImpossibleError is an event that an import in its state cannot have.
type ImpossibleError struct{ State, Event string }

func (e *ImpossibleError) Error() string {
	return fmt.Sprintf("%s is not possible while %s", e.Event, e.State)
}

// Next is the state an event leads to; the error is an *ImpossibleError.
func (s State) Next(e Event) (State, error) {
	to, ok := transitions()[s][e]
	switch {
	case ok:
		return to, nil
	case e == EventCancelled && !s.Ended():
		return Cancelled, nil
	case e == EventPurged && s != Purged:
		return Purged, nil
	}
	return "", &ImpossibleError{State: string(s), Event: string(e)}
}

// DeliveryState is where the delivery to one destination stands. What may follow
// what is in [DeliveryState.Next] and drawn in docs/states.md.
type DeliveryState string

// States of a delivery.
const (
	DeliveryQueued     DeliveryState = "queued"     // waits for a worker, or for the destination
	DeliverySending    DeliveryState = "sending"    // objects go out
	DeliverySent       DeliveryState = "sent"       // every object has its status
	DeliveryVerifying  DeliveryState = "verifying"  // the destination is asked what it holds
	DeliveryVerified   DeliveryState = "verified"   // as strongly as is configured
	DeliveryIncomplete DeliveryState = "incomplete" // something did not arrive
	DeliveryCancelled  DeliveryState = "cancelled"
)

// DeliveryStates lists all states in the order of a delivery's way.
func DeliveryStates() []DeliveryState {
	return []DeliveryState{DeliveryQueued, DeliverySending, DeliverySent, DeliveryVerifying, DeliveryVerified,
		DeliveryIncomplete, DeliveryCancelled}
}

// Ended reports whether nothing goes on by itself.
func (s DeliveryState) Ended() bool {
	return s == DeliveryVerified || s == DeliveryIncomplete || s == DeliveryCancelled
}

// DeliveryEvent moves a delivery.
type DeliveryEvent string

// Events of a delivery.
const (
	DeliveryStarted     DeliveryEvent = "started"
	DeliveryInterrupted DeliveryEvent = "interrupted" // the destination is away: again later
	DeliveryAllSent     DeliveryEvent = "all-sent"
	DeliveryAsked       DeliveryEvent = "asked"     // the destination was asked to confirm
	DeliveryConfirmed   DeliveryEvent = "confirmed" // it holds every object
	DeliveryFellShort   DeliveryEvent = "fell-short"
	DeliveryRetried     DeliveryEvent = "retried" // a person tries again
	DeliveryStopped     DeliveryEvent = "stopped" // a person stopped it
)

func deliveryTransitions() map[DeliveryState]map[DeliveryEvent]DeliveryState {
	return map[DeliveryState]map[DeliveryEvent]DeliveryState{
		DeliveryQueued:     {DeliveryStarted: DeliverySending, DeliveryStopped: DeliveryCancelled, DeliveryFellShort: DeliveryIncomplete},
		DeliverySending:    {DeliveryInterrupted: DeliveryQueued, DeliveryAllSent: DeliverySent, DeliveryFellShort: DeliveryIncomplete, DeliveryStopped: DeliveryCancelled},
		DeliverySent:       {DeliveryAsked: DeliveryVerifying, DeliveryConfirmed: DeliveryVerified, DeliveryFellShort: DeliveryIncomplete, DeliveryStopped: DeliveryCancelled},
		DeliveryVerifying:  {DeliveryConfirmed: DeliveryVerified, DeliveryFellShort: DeliveryIncomplete, DeliveryStopped: DeliveryCancelled},
		DeliveryIncomplete: {DeliveryRetried: DeliveryQueued, DeliveryStopped: DeliveryCancelled},
	}
}

// Next is the state an event leads to; the error is an *ImpossibleError.
func (s DeliveryState) Next(e DeliveryEvent) (DeliveryState, error) {
	if to, ok := deliveryTransitions()[s][e]; ok {
		return to, nil
	}
	return "", &ImpossibleError{State: string(s), Event: string(e)}
}
