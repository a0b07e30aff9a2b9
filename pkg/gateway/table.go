package gateway

import "slices"

// Roles that serve endpoints.
const (
	roleClient     = "client"
	rolePersister  = "persister"
	roleSync       = "sync"
	roleFederation = "federation-inbound"
)

// affinity says which of a role's workers a request goes to.
type affinity int

const (
	toAny  affinity = iota // any
	toRoom                 // the owner of the room in the path
	toUser                 // the one that serves the user's shard
)

// access says whether a request needs an access token.
type access int

const (
	needsToken access = iota
	public
)

// Bounds of request bodies, in bytes.
const (
	smallBody = 64 << 10 // of one event, and of most else
	largeBody = 1 << 20  // of what makes many events
)

// An endpoint is one line of the routing table. Its path is a pattern of net/http.ServeMux;
// {roomId} names the room.
type endpoint struct {
	methods  string // separated by spaces
	path     string
	role     string
	affinity affinity
	access   access
	maxBody  int64
	// endsSession: after it the request's own token counts no more.
	endsSession bool
}

// versioned lists the endpoints of the client-server API that are served under /_matrix/client/v3 and its older name r0.
var versioned = []endpoint{
	// Session management
	{methods: "GET POST", path: "/login", role: roleClient, access: public},
	{methods: "POST", path: "/register", role: roleClient, access: public},
	{methods: "GET", path: "/register/available", role: roleClient, access: public},
	{methods: "POST", path: "/logout", role: roleClient, endsSession: true},
	{methods: "POST", path: "/logout/all", role: roleClient, endsSession: true},
	{methods: "GET", path: "/account/whoami", role: roleClient},
	{methods: "GET", path: "/capabilities", role: roleClient},
	{methods: "GET", path: "/devices", role: roleClient},
	{methods: "GET", path: "/devices/{deviceId}", role: roleClient},

	// User data
	{methods: "GET", path: "/profile/{userId}", role: roleClient, access: public},
	{methods: "GET", path: "/profile/{userId}/{keyName}", role: roleClient, access: public},
	{methods: "PUT", path: "/profile/{userId}/{keyName}", role: roleClient},
	{methods: "POST", path: "/user/{userId}/filter", role: roleClient},
	{methods: "GET", path: "/user/{userId}/filter/{filterId}", role: roleClient},
	{methods: "GET", path: "/pushrules/{$}", role: roleClient},
	{methods: "GET", path: "/pushrules/global/{$}", role: roleClient},
	{methods: "GET", path: "/thirdparty/protocols", role: roleClient},
	{methods: "GET", path: "/voip/turnServer", role: roleClient},

	// Reading rooms
	{methods: "GET", path: "/joined_rooms", role: roleClient},
	{methods: "GET", path: "/rooms/{roomId}/state", role: roleClient},
	{methods: "GET", path: "/rooms/{roomId}/state/{eventType}", role: roleClient},
	{methods: "GET", path: "/rooms/{roomId}/state/{eventType}/{stateKey...}", role: roleClient},
	{methods: "GET", path: "/rooms/{roomId}/members", role: roleClient},
	{methods: "GET", path: "/rooms/{roomId}/joined_members", role: roleClient},
	{methods: "GET", path: "/rooms/{roomId}/messages", role: roleClient},
	{methods: "GET", path: "/rooms/{roomId}/event/{eventId}", role: roleClient},
	{methods: "GET", path: "/rooms/{roomId}/context/{eventId}", role: roleClient},

	// Writing rooms. The client role builds a new room's create event, which gives the room its id and so its owner; an
	// upgrade writes two rooms.
	{methods: "POST", path: "/createRoom", role: roleClient, maxBody: largeBody},
	{methods: "POST", path: "/rooms/{roomId}/upgrade", role: roleClient},
	{methods: "PUT", path: "/rooms/{roomId}/send/{eventType}/{txnId}", role: rolePersister, affinity: toRoom},
	{methods: "PUT", path: "/rooms/{roomId}/redact/{eventId}/{txnId}", role: rolePersister, affinity: toRoom},
	{methods: "PUT", path: "/rooms/{roomId}/state/{eventType}", role: rolePersister, affinity: toRoom},
	{methods: "PUT", path: "/rooms/{roomId}/state/{eventType}/{stateKey...}", role: rolePersister, affinity: toRoom},
	{methods: "POST", path: "/rooms/{roomId}/join", role: rolePersister, affinity: toRoom},
	{methods: "POST", path: "/rooms/{roomId}/invite", role: rolePersister, affinity: toRoom},
	{methods: "POST", path: "/rooms/{roomId}/leave", role: rolePersister, affinity: toRoom},
	{methods: "POST", path: "/rooms/{roomId}/kick", role: rolePersister, affinity: toRoom},
	{methods: "POST", path: "/rooms/{roomId}/ban", role: rolePersister, affinity: toRoom},
	{methods: "POST", path: "/rooms/{roomId}/unban", role: rolePersister, affinity: toRoom},
	{methods: "POST", path: "/join/{roomId}", role: rolePersister, affinity: toRoom},
	{methods: "POST", path: "/knock/{roomId}", role: rolePersister, affinity: toRoom},

	// Syncing
	{methods: "GET", path: "/sync", role: roleSync, affinity: toUser},
}

// unversioned lists the endpoints with one path each.
var unversioned = []endpoint{
	{methods: "GET", path: "/.well-known/matrix/client", role: roleClient, access: public},
	{methods: "GET", path: "/.well-known/matrix/server", role: roleClient, access: public},
	{methods: "GET", path: "/_matrix/client/versions", role: roleClient, access: public},
	{methods: "GET", path: "/_matrix/client/v1/register/m.login.registration_token/validity", role: roleClient, access: public},
	{methods: "GET POST", path: "/_synapse/admin/v1/register", role: roleClient, access: public}, // by shared secret

	{methods: "GET", path: "/_matrix/federation/v1/version", role: roleFederation, access: public},
	{methods: "GET", path: "/_matrix/key/v2/server", role: roleFederation, access: public},
	{methods: "GET", path: "/_matrix/key/v2/query/{serverName}", role: roleFederation, access: public},
	{methods: "POST", path: "/_matrix/key/v2/query", role: roleFederation, access: public},
}

// table returns all endpoints with their whole paths and limits.
func table() []endpoint {
	all := slices.Clone(unversioned)
	for _, e := range versioned {
		path := e.path
		for _, prefix := range []string{"/_matrix/client/v3", "/_matrix/client/r0"} {
			e.path = prefix + path
			all = append(all, e)
		}
	}
	for i := range all {
		if all[i].maxBody == 0 {
			all[i].maxBody = smallBody
		}
	}
	return all
}
