package persister

import (
	"fmt"
	"time"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A forge makes events in the name of this server.
type forge struct {
	signer event.Signer
	now    func() time.Time
}

// extend builds what was decided, each event on top of the one before, and makes it part of the room. With an error it
// returns the events that are in the room already.
func (f forge) extend(r *room, d decision) ([]*event.Event, error) {
	events := make([]*event.Event, 0, d.events())
	if d.create != nil {
		if err := eventauth.Check(d.create.Version(), d.create, r); err != nil {
			return nil, err
		}
		r.version = d.create.Version()
		r.apply(d.create)
		events = append(events, d.create)
	}
	for _, p := range d.add {
		ev, err := f.next(r, p)
		if err != nil {
			return events, err
		}
		events = append(events, ev)
	}
	if d.redacted != nil {
		r.redact(d.redacted)
	}
	for _, p := range d.attempt {
		if ev, err := f.next(r, p); err == nil {
			events = append(events, ev)
		}
	}
	return events, nil
}

// next makes an event part of the room, if the rules allow it.
func (f forge) next(r *room, p event.Proto) (*event.Event, error) {
	ev, err := f.build(r, p)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", p.Type, err)
	}
	if err := eventauth.Check(r.version, ev, r); err != nil {
		return nil, fmt.Errorf("authorise %s: %w", p.Type, err)
	}
	r.apply(ev)
	return ev, nil
}

// build makes the event that follows the room's newest.
func (f forge) build(r *room, p event.Proto) (*event.Event, error) {
	p.RoomID = r.id
	p.PrevEvents = make([]id.EventID, len(r.heads))
	for i, head := range r.heads {
		p.PrevEvents[i] = head.event
		p.Depth = max(p.Depth, head.depth+1)
	}
	p.AuthEvents = eventauth.SelectAuthEvents(r.version, &p, r)
	if r.version.EventIDInEvent {
		p.ReferenceHash = referenceHashes(r, &p)
	}
	p.OriginServerTS = f.now().UnixMilli()
	return event.Build(r.version, p, f.signer)
}

// referenceHashes returns the reference hashes of what an event names: the room's newest, and the state that authorises
// it.
func referenceHashes(r *room, p *event.Proto) func(id.EventID) []byte {
	hashes := make(map[id.EventID][]byte)
	for _, head := range r.heads {
		hashes[head.event] = head.hash
	}
	for _, t := range eventauth.AuthTypesFor(r.version, p.Type, p.Sender, p.StateKey, p.Content) {
		if f := r.state.at(t.Type, t.StateKey); f != nil {
			hashes[f.ID()] = f.hash()
		}
	}
	return func(eventID id.EventID) []byte { return hashes[eventID] }
}
