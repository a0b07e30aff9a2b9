// Two clients by matrix-js-sdk: Ada makes a room and invites Ben, who joins; then both write once a second until
// standard input closes. Each must receive every message exactly once and in the order of the room. The last line of
// the output is the verdict, as JSON.
//
//   tour.mjs BASE_URL SHARED_SECRET RUN
import { createHmac } from "node:crypto";
import * as sdk from "matrix-js-sdk";

const [base, secret, run] = process.argv.slice(2);
const quiet = { debug() {}, info() {}, warn() {}, error() {}, trace() {}, getChild() { return quiet; } };

async function register(localpart) {
  const url = `${base}/_synapse/admin/v1/register`;
  const { nonce } = await (await fetch(url)).json();
  const password = `correct horse ${localpart}`;
  const mac = createHmac("sha1", secret).update(`${nonce}\0${localpart}\0${password}\0notadmin`).digest("hex");
  const answer = await fetch(url, {
    method: "POST",
    body: JSON.stringify({ nonce, username: localpart, password, admin: false, mac, inhibit_login: true }),
  });
  if (!answer.ok) throw new Error(`register ${localpart}: ${answer.status} ${await answer.text()}`);
  return password;
}

async function connect(localpart) {
  const password = await register(localpart);
  const visitor = sdk.createClient({ baseUrl: base, logger: quiet });
  const login = await visitor.loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: localpart },
    password,
    initial_device_display_name: "tour",
  });
  const client = sdk.createClient({
    baseUrl: base,
    userId: login.user_id,
    deviceId: login.device_id,
    accessToken: login.access_token,
    logger: quiet,
    timelineSupport: true,
  });
  const who = await client.whoami();
  if (who.user_id !== login.user_id) throw new Error(`whoami answers ${who.user_id}`);
  return client;
}

// once resolves when the client emits an event that matches.
function once(client, event, matches) {
  return new Promise((resolve) => {
    const listener = (...args) => {
      if (!matches(...args)) return;
      client.off(event, listener);
      resolve(args);
    };
    client.on(event, listener);
  });
}

async function start(client) {
  const prepared = once(client, sdk.ClientEvent.Sync, (state) => state === "PREPARED");
  await client.startClient({ initialSyncLimit: 20, pollTimeout: 2000 });
  await prepared;
}

const problems = [];
const complain = (sentence) => { if (problems.length < 20) problems.push(sentence); };
const views = new Map(); // user id -> keys in order of arrival
let stopping = false;
process.stdin.resume();
process.stdin.on("end", () => { stopping = true; });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const ada = await connect(`${run}-ada`);
const ben = await connect(`${run}-ben`);
for (const client of [ada, ben]) {
  const seen = [];
  views.set(client.getUserId(), seen);
  client.on(sdk.RoomEvent.Timeline, (event, room, toStartOfTimeline) => {
    if (toStartOfTimeline || event.getType() !== "m.room.message" || !event.getId().startsWith("$")) return;
    seen.push(event.getContent().body);
  });
  client.on(sdk.RoomEvent.LocalEchoUpdated, (event) => {
    if (event.status === null && event.getType() === "m.room.message") seen.push(event.getContent().body);
  });
}
await Promise.all([start(ada), start(ben)]);

const invited = once(ben, sdk.RoomEvent.MyMembership, (_room, membership) => membership === "invite");
const { room_id: room } = await ada.createRoom({
  name: `${run} js room`, topic: "two clients", preset: "private_chat", invite: [ben.getUserId()],
});
const [invitation] = await invited;
if (invitation.roomId !== room) complain(`Ben was invited to ${invitation.roomId}, not ${room}`);
const joined = once(ben, sdk.RoomEvent.MyMembership, (_room, membership) => membership === "join");
await ben.joinRoom(room);
await joined;
const name = ben.getRoom(room)?.name;
if (name !== `${run} js room`) complain(`Ben sees the room's name as ${name}`);
console.log(JSON.stringify({ started: true }));

const sent = [];
for (let i = 0; !stopping; i++) {
  for (const [who, client] of [["ada", ada], ["ben", ben]]) {
    const key = `${run}/js/${who}/${i}`;
    try {
      await client.sendTextMessage(room, key);
      sent.push(key);
    } catch (error) {
      complain(`${who} could not send ${key}: ${error}`);
    }
  }
  await pause(1000);
}

// The last deliveries: until both have everything, or nothing came for ten seconds.
let still = 0;
for (let last = -1; still < 100; still++) {
  const count = [...views.values()].reduce((n, seen) => n + new Set(seen).size, 0);
  if (count >= 2 * sent.length) break;
  if (count !== last) still = 0;
  last = count;
  await pause(100);
}
let lost = 0, duplicated = 0, reordered = 0;
for (const [user, seen] of views) {
  const unique = new Set(seen);
  for (const key of sent) if (!unique.has(key)) { lost++; complain(`${user} never got ${key}`); }
  duplicated += seen.length - unique.size;
  if (seen.length !== unique.size) complain(`${user} got ${seen.length - unique.size} messages twice`);
  for (const who of ["ada", "ben"]) {
    const order = [...unique].filter((key) => key.startsWith(`${run}/js/${who}/`)).map((key) => Number(key.split("/").pop()));
    for (let i = 1; i < order.length; i++) if (order[i] < order[i - 1]) { reordered++; complain(`${user} got ${who}'s ${order[i - 1]} before ${order[i]}`); }
  }
}
ada.stopClient();
ben.stopClient();
console.log(JSON.stringify({ sent: sent.length, lost, duplicated, reordered, problems }));
process.exit(0);
