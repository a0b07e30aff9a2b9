package persister

import (
	"context"
	"errors"
	"net/http"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// memberBody is the body of the membership endpoints.
type memberBody struct {
	UserID string `json:"user_id"`
	Reason string `json:"reason"`
}

// join answers with the room's id; one who has joined already is told so again.
func (p *Persister) join(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID) error {
	m, err := p.readOwn(w, r, c, room)
	if err != nil {
		return err
	}
	_, err = p.write(r.Context(), c.write(room, "POST", "join", "", len(m.reason), m.join(false)))
	var needs *needsMembership
	if errors.As(err, &needs) {
		err = p.joinAdmitted(r.Context(), c, room, m, needs.rooms)
	}
	if err != nil {
		return err
	}
	answerRoom(w, room)
	return nil
}

// knock answers with the room's id; one who has knocked already is told so again.
func (p *Persister) knock(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID) error {
	m, err := p.readOwn(w, r, c, room)
	if err != nil {
		return err
	}
	if _, err := p.write(r.Context(), c.write(room, "POST", "knock", "", len(m.reason), m.knock())); err != nil {
		return err
	}
	answerRoom(w, room)
	return nil
}

// readOwn reads what a user says of the membership that it wants for itself, and its profile.
func (p *Persister) readOwn(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID) (membership, error) {
	var body memberBody
	if err := mxhttp.ReadOptionalJSON(w, r, maxBody, &body); err != nil {
		return membership{}, err
	}
	if err := p.mine(r.Context(), p.opts.Leases.ShardOf(room)); err != nil {
		return membership{}, err
	}
	prof, _, err := p.reader.profile(r.Context(), c.user)
	return membership{sender: c.user, target: c.user, profile: prof, reason: body.Reason}, err
}

func answerRoom(w http.ResponseWriter, room id.RoomID) {
	mxhttp.WriteJSON(w, http.StatusOK, struct {
		RoomID id.RoomID `json:"room_id"`
	}{room})
}

// joinAdmitted joins a room that admits members of others, if the user is one.
func (p *Persister) joinAdmitted(ctx context.Context, c caller, room id.RoomID, m membership, rooms []string) error {
	admitted, err := p.reader.joinedAny(ctx, c.user, rooms)
	if err != nil {
		return err
	}
	if !admitted {
		return mxerr.Forbidden("You are not in any of the rooms whose members may join this one")
	}
	_, err = p.write(ctx, c.write(room, "POST", "join", "", len(m.reason), m.join(true)))
	return err
}

// invite invites a user of this server; one who does not exist is 404 M_NOT_FOUND.
func (p *Persister) invite(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID) error {
	m, err := p.readTarget(w, r, c)
	if err != nil {
		return err
	}
	if err := checkLocal(p.opts.ServerName, m.target); err != nil {
		return err
	}
	if err := p.mine(r.Context(), p.opts.Leases.ShardOf(room)); err != nil {
		return err
	}
	prof, exists, err := p.reader.profile(r.Context(), m.target)
	if err != nil {
		return err
	}
	if !exists {
		return mxerr.NotFound("There is no user %s", m.target)
	}
	m.profile = prof
	return p.answerEmpty(w, r, c.write(room, "POST", "invite/"+string(m.target), "", len(m.reason), m.invite()))
}

func (p *Persister) leave(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID) error {
	var body memberBody
	if err := mxhttp.ReadOptionalJSON(w, r, maxBody, &body); err != nil {
		return err
	}
	m := membership{sender: c.user, target: c.user, reason: body.Reason}
	return p.answerEmpty(w, r, c.write(room, "POST", "leave", "", len(body.Reason), m.leave()))
}

// change serves the endpoints by which one user changes the membership of another.
func (p *Persister) change(decide func(membership) decider) roomHandler {
	return func(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID) error {
		m, err := p.readTarget(w, r, c)
		if err != nil {
			return err
		}
		return p.answerEmpty(w, r, c.write(room, "POST", r.URL.Path, "", len(m.reason), decide(m)))
	}
}

func (p *Persister) readTarget(w http.ResponseWriter, r *http.Request, c caller) (membership, error) {
	var body memberBody
	if err := mxhttp.ReadJSON(w, r, maxBody, &body); err != nil {
		return membership{}, err
	}
	if body.UserID == "" {
		return membership{}, mxerr.MissingParam("user_id is missing")
	}
	target, err := id.ParseUserID(body.UserID)
	if err != nil {
		return membership{}, mxerr.InvalidParam("user_id: %v", err)
	}
	return membership{sender: c.user, target: target, reason: body.Reason}, nil
}

func (p *Persister) answerEmpty(w http.ResponseWriter, r *http.Request, write *write) error {
	if _, err := p.write(r.Context(), write); err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, mxhttp.Empty{})
	return nil
}
