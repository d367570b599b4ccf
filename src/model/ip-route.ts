/** `--route`: routes, as `ip -j route` prints them. What `ip route` would refuse is refused in its words; what only the kernel can choose between is told. */
import { formatAddress, maskAddress, parseAddress, prefixMask, widthOf } from './address.ts';
import { checkDeviceName } from './device-names.ts';
import { type Gatewayed, setGateways } from './gateways.ts';
import { type Host, interfaceNamed, type Route, type RouteType } from './host.ts';
import { type IpEntry, ipEntries, shown } from './ip-json.ts';
import { parseUnsigned } from './numbers.ts';
import type { Family, Words } from './ruleset.ts';

const TYPES: readonly RouteType[] = [
  'unicast',
  'local',
  'broadcast',
  'multicast',
  'anycast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
];
/** Tables that are asked where no rule of `ip rule` says otherwise. */
const TABLES: readonly string[] = ['main', 'default', 'local'];
/** Of these there may be several to one destination: what they are about is one device. */
const OF_DEVICES: readonly RouteType[] = ['local', 'broadcast', 'multicast', 'anycast'];
/** How far destinations are. */
const NOWHERE = 255;
const SCOPES: ReadonlyMap<string, number> = new Map([
  ['global', 0],
  ['site', 200],
  ['link', 253],
  ['host', 254],
  ['nowhere', NOWHERE],
]);
const NOWHERE_TYPES: readonly RouteType[] = ['blackhole', 'unreachable', 'prohibit', 'throw'];
const LOOPBACK6: Words = [0, 0, 0, 1];
const METRIC_MAXIMUM = 0xffff_ffff;

/** A route with where it comes from. */
interface Told {
  entry: IpEntry;
  route: Route;
}

/** Gives the host the routes of some files. `devices`: the only ones there are, where that is known. @throws HostError. */
export function readRoutes(host: Host, files: readonly unknown[], devices: readonly string[] | undefined): void {
  const told = files.flatMap((json) => readFile(host, json, devices));
  if (devices !== undefined) for (const { entry, route } of told) checkSource(host, entry, route);
  noteEqual(host, told);
  const gatewayed = new Map<Gatewayed, IpEntry>();
  for (const { entry, route } of told) {
    const one = gatewayOf(entry, route);
    if (one !== undefined) gatewayed.set(one, entry);
  }
  const fault = setGateways(host, [...gatewayed.keys()]);
  if (fault === undefined) return;
  const entry = gatewayed.get(fault.of)!;
  throw entry.error(`${viaText(entry)}: ${fault.why}`, { at: 'gateway' });
}

/** The families that files are about. @throws HostError. */
export const routedFamilies = (files: readonly unknown[]): ReadonlySet<Family> =>
  new Set(
    files.flatMap((json) => {
      const list = ipEntries(json, '--route');
      return list.map((entry) => familyOf(entry, list));
    }),
  );

function readFile(host: Host, json: unknown, devices: readonly string[] | undefined): Told[] {
  const all = ipEntries(json, '--route');
  const asked = all.filter((entry) => isAsked(host, entry)).map((entry) => oneHop(host, entry));
  const tables = new Set(all.flatMap((entry) => otherTable(entry) ?? []));
  if (tables.size > 0)
    host.notes.push(`--route: routes of table ${[...tables].join(', ')} are not asked: only rules (ip rule) lead there`);
  return asked.map((entry) => {
    const route = routeOf(host, entry, familyOf(entry, asked), devices);
    checkScope(entry, route);
    host.routes.push(route);
    return { entry, route };
  });
}

function otherTable(entry: IpEntry): string | undefined {
  const table = entry.text('table');
  return table === undefined || TABLES.includes(table) ? undefined : table;
}

/** Not asked: routes of other tables, for one type of service only, and those whose device is down. The last two are told. */
function isAsked(host: Host, entry: IpEntry): boolean {
  if (otherTable(entry) !== undefined) return false;
  const { tos } = entry.fields;
  const isDead = entry.list('flags')?.includes('dead') === true;
  if (tos !== undefined)
    host.notes.push(`--route: ${viaText(entry)} tos ${shown(tos)} is not asked: it is for packets with that TOS`);
  else if (isDead) host.notes.push(`--route: ${viaText(entry)} is dead, and not asked`);
  return tos === undefined && !isDead;
}

/** The family of a route: by its destination, else its gateway, else (`default dev ppp0`) that of the whole list, IPv4 when it holds both. */
function familyOf(entry: IpEntry, list: readonly IpEntry[]): Family {
  const words = (one: IpEntry): string => ['dst', 'gateway', 'prefsrc'].map((name) => one.text(name) ?? '').join(' ');
  const [sign] = /[.:]/.exec(words(entry)) ?? [];
  if (sign !== undefined) return sign === ':' ? 6 : 4;
  return list.some((one) => words(one).includes('.')) || !list.some((one) => words(one).includes(':')) ? 4 : 6;
}

/** Of several ways of a route (`nexthop`) the first, which the notes tell: the kernel chooses by a hash of addresses. */
function oneHop(host: Host, entry: IpEntry): IpEntry {
  if (entry.fields.nexthops === undefined) return entry;
  const [first, ...others] = entry.entries('nexthops');
  if (first === undefined) throw entry.error('"nexthops" wants a list, got []', { at: 'nexthops' });
  const chosen = entry.with(first);
  host.notes.push(
    `--route: ${viaText(chosen)} is taken for all ${others.length + 1} ways of this route; the kernel chooses one by a hash`,
  );
  return chosen;
}

function routeOf(host: Host, entry: IpEntry, family: Family, devices: readonly string[] | undefined): Route {
  const type = entry.text('type') ?? 'unicast';
  if (!isRouteType(type)) throw entry.error(`"type" wants one of ${TYPES.join(', ')}, got ${shown(type)}`, { at: 'type' });
  const { destination, prefix } = destinationOf(host, entry, family);
  const route: Route = { family, destination, prefix, type, metric: entry.number('metric', METRIC_MAXIMUM) ?? 0 };
  const device = entry.text('dev');
  if (device !== undefined) checkDeviceName(entry, 'dev', device);
  if (device !== undefined && devices?.includes(device) === false)
    throw entry.error(`${viaText(entry)}: Cannot find device "${device}"`, {
      at: 'dev',
      hint: `--addr has ${devices.join(', ')}; "ip -j addr" without a name has all of them`,
    });
  if (device !== undefined) route.device = interfaceNamed(host, device).name;
  else if (type === 'unicast' && entry.text('gateway') === undefined && entry.fields.via === undefined)
    throw entry.error(`${viaText(entry)}: No such device (a route to where packets go wants "dev")`);
  return route;
}

/** Of IPv4, whose routes to a gateway lie further than a link (fib_create_info, fib_check_nh_v4_gw); IPv6 knows none. */
function checkScope(entry: IpEntry, { family }: Route): void {
  const word = entry.text('scope');
  if (family === 6 || word === undefined) return;
  const at = 'scope';
  const scope = SCOPES.get(word) ?? parseUnsigned(word, NOWHERE);
  if (scope === undefined)
    throw entry.error(`"scope" wants one of ${[...SCOPES.keys()].join(', ')} or a number, got ${shown(word)}`, { at });
  if (scope === NOWHERE) throw entry.error(`${viaText(entry)}: Invalid scope.`, { at });
  if (entry.text('gateway') === undefined || scope < SCOPES.get('link')!) return;
  const why = scope === SCOPES.get('host') ? 'Route with host scope can not have a gateway.' : 'Nexthop has invalid gateway.';
  throw entry.error(`${viaText(entry)}: ${why}`, { at, hint: `a route of scope ${word} ends on the link: it has no gateway` });
}

/**
 * `src` is an address of the host. Of IPv4 one that a route makes so, too (fib_valid_prefsrc, which asks routes that lead nowhere for none); of IPv6 one on whatever device, but for those that are good on theirs alone
 * (ip6_route_info_create, ipv6_chk_addr).
 */
function checkSource(host: Host, entry: IpEntry, { family, type, destination, device }: Route): void {
  const written = entry.text('prefsrc');
  if (written === undefined || (family === 4 && NOWHERE_TYPES.includes(type))) return;
  const address = parseAddress(written, family);
  const isOwn = (words: Words): boolean =>
    family === 4 ? (type === 'local' && same(destination, words)) || isMadeLocal(host, words) : isOwn6(host, words, device);
  if (address !== undefined && isOwn(address)) return;
  const asked = family === 4 ? ', nor does a local route of --route make it one ("ip -j route show table all" has them)' : '';
  throw entry.error(`${viaText(entry)}: ${family === 4 ? 'Invalid prefsrc address.' : 'Invalid source address.'}`, {
    at: 'prefsrc',
    hint: `${written} is no address of --addr${asked}: take both files from the same machine`,
  });
}

/** What the local table says of an IPv4 address; routes of the host's own addresses are in it. */
function isMadeLocal({ routes }: Host, address: Words): boolean {
  const covering = routes.filter(
    ({ family, type, destination, prefix }) =>
      family === 4 &&
      (type === 'local' || type === 'broadcast') &&
      same(maskAddress(address, prefixMask(prefix, 4)), destination),
  );
  return covering.sort((one, other) => other.prefix - one.prefix)[0]?.type === 'local';
}

/** ::1 and fe80::/10 are good on their device alone. */
function isOwn6({ interfaces }: Host, words: Words, device: string | undefined): boolean {
  const isOfDevice = words[0]! >>> 22 === 0x3fa || same(words, LOOPBACK6);
  return interfaces.some(
    ({ name, addresses }) =>
      (!isOfDevice || device === undefined || name === device) &&
      addresses.some(({ family, address }) => family === 6 && same(address, words)),
  );
}

const isRouteType = (word: string): word is RouteType => (TYPES as readonly string[]).includes(word);

/** IPv4 refuses bits behind the prefix, IPv6 leaves them out (inet_rtm_newroute, ip6_route_info_create). */
function destinationOf(host: Host, entry: IpEntry, family: Family): Pick<Route, 'destination' | 'prefix'> {
  const written = entry.text('dst');
  if (written === undefined) {
    const isAddress = entry.fields.ifname !== undefined;
    const hint = isAddress ? 'this is what "ip -j addr" prints: it goes with --addr' : 'make it with "ip -j route"';
    throw entry.error(`an entry without "dst": ${shown(entry.fields)}`, { hint });
  }
  const [bare = '', prefixText] =
    written === 'default' ? [formatAddress(family === 4 ? [0] : [0, 0, 0, 0]), '0'] : written.split('/');
  const address = parseAddress(bare, family);
  const prefix = prefixText === undefined ? widthOf(family) : parseUnsigned(prefixText, widthOf(family));
  if (address === undefined || prefix === undefined)
    throw entry.error(`cannot read the destination ${JSON.stringify(entry.fields.dst)}`, { at: 'dst' });
  const destination = maskAddress(address, prefixMask(prefix, family));
  if (same(destination, address)) return { destination, prefix };
  const network = `${formatAddress(destination)}/${prefix}`;
  if (family === 6) host.notes.push(`--route: ${written} is taken for ${network}, as "ip -6 route" takes it`);
  else
    throw entry.error(`${viaText(entry)}: Invalid prefix for given prefix length.`, {
      at: 'dst',
      hint: `there are bits behind the prefix: the network is ${network}, the host alone ${bare}`,
    });
  return { destination, prefix };
}

const same = (one: Words, other: Words): boolean => one.every((word, i) => word === other[i]);

/** None, or one. A gateway of the other family (`via inet6 fe80::1`) stands under another name; addresses and helpers do not ask for it. */
function gatewayOf(entry: IpEntry, route: Route): Gatewayed | undefined {
  const written = entry.text('gateway');
  if (written === undefined) return undefined;
  const gateway = parseAddress(written, route.family);
  if (gateway === undefined) {
    const kind = route.family === 4 ? 'inet' : 'inet6';
    throw entry.error(`${viaText(entry)}: ${kind} address is expected rather than ${JSON.stringify(written)}.`, {
      at: 'gateway',
    });
  }
  return { route, gateway, onlink: entry.list('flags')?.includes('onlink') === true };
}

/** `ip route add` refuses a route to a destination with the metric of another one; `append` does not, and then the first is asked. */
function noteEqual(host: Host, told: readonly Told[]): void {
  const first = new Map<string, Told>();
  for (const one of told) {
    const { family, destination, prefix, metric, type } = one.route;
    if (OF_DEVICES.includes(type) || isLinkLocal(one.route)) continue;
    const key = [family, ...destination, prefix, metric].join();
    const before = first.get(key);
    if (before === undefined) first.set(key, one);
    else if (viaText(before.entry) !== viaText(one.entry))
      host.notes.push(
        `--route: ${viaText(one.entry)} is not asked: ${viaText(before.entry)} stands before it with the same metric ("ip route add" refuses such a one: File exists)`,
      );
  }
}

/** Every device has one to its own link. */
const isLinkLocal = ({ family, destination, prefix }: Route): boolean =>
  family === 6 && prefix >= 10 && destination[0]! >>> 22 === 0xfe80 >>> 6;

/** A route as `ip route` writes it. */
function viaText({ fields: { type, dst, gateway, dev } }: IpEntry): string {
  const words = [type, dst, ...(gateway === undefined ? [] : ['via', gateway]), ...(dev === undefined ? [] : ['dev', dev])];
  return words.filter((word) => word !== undefined).join(' ');
}
