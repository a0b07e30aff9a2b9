package clientapi

import "github.com/myelin-hs/myelin/pkg/mxhttp"

// A route is one endpoint; method and path are those of a ServeMux pattern.
type route struct {
	method, path string
	handler      mxhttp.HandlerFunc
}

// Routes returns the patterns, "METHOD /path", that [API.Handler] serves.
func Routes() []string {
	var patterns []string
	for _, rt := range (&API{}).routes() {
		patterns = append(patterns, rt.method+" "+rt.path)
	}
	return patterns
}

func (a *API) routes() []route {
	all := []route{
		{"GET", "/.well-known/matrix/client", a.wellKnownClient},
		{"GET", "/.well-known/matrix/server", a.wellKnownServer},
		{"GET", "/_matrix/client/versions", a.versions},
		{"GET", "/_synapse/admin/v1/register", a.registerNonce},
		{"POST", "/_synapse/admin/v1/register", a.registerShared},
		{"GET", "/_matrix/client/v1/register/m.login.registration_token/validity", a.registrationTokenValidity},
	}
	for _, rt := range []route{
		{"GET", "/login", a.loginFlows},
		{"POST", "/login", a.login},
		{"POST", "/register", a.register},
		{"GET", "/register/available", a.registerAvailable},
		{"POST", "/logout", forUser(a.logout)},
		{"POST", "/logout/all", forUser(a.logoutAll)},
		{"GET", "/account/whoami", forUser(a.whoami)},
		{"GET", "/capabilities", forUser(a.capabilities)},

		{"GET", "/devices", forUser(a.devices)},
		{"GET", "/devices/{deviceId}", forUser(a.device)},
		{"GET", "/profile/{userId}", a.profile},
		{"GET", "/profile/{userId}/{keyName}", a.profileField},
		{"PUT", "/profile/{userId}/{keyName}", forUser(a.setProfileField)},
		{"POST", "/user/{userId}/filter", forUser(a.addFilter)},
		{"GET", "/user/{userId}/filter/{filterId}", forUser(a.filter)},
		{"GET", "/pushrules/{$}", forUser(a.pushRules)},
		{"GET", "/pushrules/global/{$}", forUser(a.globalPushRules)},
		{"GET", "/thirdparty/protocols", forUser(empty)},
		{"GET", "/voip/turnServer", forUser(empty)},

		{"POST", "/createRoom", forUser(a.createRoom)},
		{"POST", "/rooms/{roomId}/upgrade", forUser(a.upgradeRoom)},
		{"GET", "/joined_rooms", forUser(a.joinedRooms)},
		{"GET", "/rooms/{roomId}/state", forUser(a.state)},
		{"GET", "/rooms/{roomId}/state/{eventType}", forUser(a.stateEvent)},
		{"GET", "/rooms/{roomId}/state/{eventType}/{stateKey...}", forUser(a.stateEvent)},
		{"GET", "/rooms/{roomId}/members", forUser(a.members)},
		{"GET", "/rooms/{roomId}/joined_members", forUser(a.joinedMembers)},
		{"GET", "/rooms/{roomId}/messages", forUser(a.messages)},
		{"GET", "/rooms/{roomId}/event/{eventId}", forUser(a.event)},
		{"GET", "/rooms/{roomId}/context/{eventId}", forUser(a.eventContext)},
	} {
		// r0 has the same endpoints: what clients call that have not followed since 2021.
		for _, prefix := range []string{"/_matrix/client/v3", "/_matrix/client/r0"} {
			all = append(all, route{rt.method, prefix + rt.path, rt.handler})
		}
	}
	return all
}
