/** From a job to what has to be done, as plain data: devices, sysctls, `ip` commands, the oracle's own nft table, frames. */
import { parseAddress } from '../model/address.ts';
import type { Family } from '../model/ruleset.ts';
import { KernelError, type KernelFrame, type KernelJob } from './job.ts';
import { answerRules, type OwnAnswers } from './own-answers.ts';
import { INJECT_PRIORITY, WIRE } from './scripts.ts';

/** The table the oracle adds for itself; its name is what tells its trace records from those of the rules. */
export const OWN_TABLE = 'wasmtables_oracle';

export interface Devices {
  in: string;
  out: string;
  /** All of them, `in` first. Number i has the MAC 02:00:00:00:00:(i+1) unless told, its peer on the wire the name `wire<i>`. */
  all: string[];
}

/** The routing table of packets with the job's `localMark`. */
const LOCAL_MARK_TABLE = '100';
/** Of what a router sends itself. */
const OWN_TABLE_NUMBER = '101';

/** Interface names as the kernel allows them, without what `ip` would take for an option. */
const DEVICE = /^[A-Za-z0-9_][A-Za-z0-9_.:@+-]{0,14}$/;
const LOCAL = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?(?:%(.+))?$/;
const SYSCTL = /^net[./][A-Za-z0-9_./:@+-]+$/;

/** Names the devices of a job. Throws KernelError on names that are none. */
export function devicesOf(job: KernelJob): Devices {
  const inName = job.inIface ?? 'eth0';
  const outName = job.outIface ?? (job.topology === 'forward' ? 'eth1' : inName);
  const names = new Set([inName, outName, ...Object.keys(job.links ?? {})]);
  for (const frame of job.frames) if (frame.iface !== undefined) names.add(frame.iface);
  for (const local of job.local ?? []) {
    const device = LOCAL.exec(local)?.[3];
    if (device !== undefined) names.add(device);
  }
  names.delete('lo');
  for (const name of names) if (!DEVICE.test(name)) throw new KernelError(`not a device name: ${name}`);
  return { in: inName, out: outName, all: [...names] };
}

/** Every error is sent, and none with a label that is drawn. */
const ANSWERS6: readonly [path: string, value: string][] = [
  ['net/ipv6/icmp/ratemask', '127'],
  ['net/ipv6/auto_flowlabels', '0'],
];

/** The command of a backend and a family: `ip6tables-legacy-save`. */
export function iptables(backend: KernelJob['backend'], family: Family, verb: 'restore' | 'save' | ''): string {
  return `ip${family === 6 ? '6' : ''}tables-${backend}${verb === '' ? '' : `-${verb}`}`;
}

export function otherFamily(family: Family): Family {
  return family === 4 ? 6 : 4;
}

/** The families a job has rules of, its own first. */
export function familiesOf({ family, rulesOther }: Pick<KernelJob, 'family' | 'rulesOther'>): Family[] {
  return rulesOther === undefined ? [family] : [family, otherFamily(family)];
}

/** True when the job has rules, and so packets, of this family. */
export function hasFamily(job: KernelJob, family: Family): boolean {
  return job.family === family || job.rulesOther !== undefined;
}

/**
 * Sysctl files and their values, set before any device exists, so that devices get the defaults: a router without any
 * filter of its own; the job's own values come after these, once the devices exist.
 */
export function baseSysctls(job: KernelJob): [path: string, value: string][] {
  const values: [string, string][] = [
    ['net/ipv4/ip_forward', '1'],
    // Every error is sent.
    ['net/ipv4/icmp_ratemask', '0'],
  ];
  const zero = [
    'rp_filter',
    'send_redirects',
    'accept_redirects',
    'accept_source_route',
    'log_martians',
    'accept_local',
    'route_localnet',
  ];
  for (const where of ['all', 'default']) {
    for (const name of zero) values.push([`net/ipv4/conf/${where}/${name}`, '0']);
    values.push([`net/ipv6/conf/${where}/disable_ipv6`, hasFamily(job, 6) ? '0' : '1']);
    if (!hasFamily(job, 6)) continue;
    for (const name of ['accept_ra', 'accept_dad', 'autoconf', 'accept_redirects', 'router_solicitations']) {
      values.push([`net/ipv6/conf/${where}/${name}`, '0']);
    }
    values.push([`net/ipv6/conf/${where}/forwarding`, '1']);
  }
  if (hasFamily(job, 6)) values.push(['net/ipv6/conf/default/addr_gen_mode', '1'], ...ANSWERS6);
  return values.map(([name, value]) => [`/proc/sys/${name}`, value]);
}

/** The job's own sysctls as files. Only `net.`; throws KernelError on anything else. */
export function jobSysctls(job: KernelJob): [path: string, value: string][] {
  return Object.entries(job.sysctls ?? {}).map(([name, value]) => {
    if (!SYSCTL.test(name) || name.includes('..')) throw new KernelError(`not a sysctl of the network: ${name}`);
    return [`/proc/sys/${name.includes('/') ? name : name.replaceAll('.', '/')}`, value];
  });
}

function addressLine(text: string, device: string): string {
  const parts = LOCAL.exec(text);
  const address = parts?.[1];
  if (parts === null || address === undefined) throw new KernelError(`not an address: ${text}`);
  const six = address.includes(':');
  const prefix = Number(parts[2] ?? (six ? 128 : 32));
  const extra = six ? ' nodad' : prefix < 31 ? ' brd +' : '';
  return `addr add ${address}/${prefix}${extra} dev ${parts[3] ?? device}`;
}

/** One line of plain words. */
function plainLine(text: string, what: string): string {
  if (!/^[A-Za-z0-9_.:/@+ -]+$/.test(text)) throw new KernelError(`not ${what}: ${text}`);
  return text;
}

/**
 * `ip -batch` lines: devices whose other ends lie in the wire's namespace, addresses, routes. The devices do no ARP, so that every
 * neighbour is there without a packet; their MTU is the largest, so that captured super-packets pass.
 */
export function ipBatch(job: KernelJob, devices: Devices): string {
  const lines = ['link set lo up'];
  for (const [i, name] of devices.all.entries()) {
    const end = (i + 1).toString(16).padStart(2, '0');
    const { mac: address = `02:00:00:00:00:${end}`, mtu = 65535 } = job.links?.[name] ?? {};
    lines.push(
      `link add name ${name} address ${macText(address)} mtu ${Math.trunc(mtu)} type veth peer name wire${i} mtu 65535 netns ${WIRE}`,
    );
    lines.push(`link set ${name} arp off up`);
  }
  for (const local of job.local ?? []) lines.push(addressLine(local, devices.in));
  for (const route of job.routes ?? []) lines.push(`route append ${plainLine(route, 'a route')}`);
  if (job.defaultRoute !== false) lines.push(`route append default dev ${devices.out}`);
  if (job.defaultRoute !== false && hasFamily(job, 6)) lines.push(`route append ::/0 dev ${devices.out}`);
  // What a router answers goes back to where everything comes from.
  if (job.topology === 'forward')
    for (const family of familiesOf(job))
      lines.push(`route append ${family === 4 ? '0.0.0.0' : '::'}/0 dev ${devices.in} table ${OWN_TABLE_NUMBER}`);
  if (job.localMark !== undefined)
    for (const family of familiesOf(job))
      lines.push(`route append local ${family === 4 ? '0.0.0.0' : '::'}/0 dev lo table ${LOCAL_MARK_TABLE}`);
  for (const line of job.ip ?? []) lines.push(plainLine(line, 'a line for ip'));
  return `${lines.join('\n')}\n`;
}

/** An address as bytes. */
function addressBytes(text: string): Uint8Array {
  const family = text.includes(':') ? 6 : 4;
  const words = parseAddress(text, family);
  if (words === undefined) throw new KernelError(`not an address: ${text}`);
  const bytes = Buffer.alloc(4 * words.length);
  for (const [i, word] of words.entries()) bytes.writeUInt32BE(word, 4 * i);
  return bytes;
}

/**
 * Multicast groups to join, as the injector reads them: `<device number>:<address in hexadecimal>`. A device without ARP joins no solicited-node
 * group for its addresses (net/ipv6/addrconf.c), and a real host has joined it; and what the job asks for.
 */
export function groupList(job: KernelJob, devices: Devices): string {
  const list: string[] = [];
  const add = (device: string, bytes: Uint8Array) => {
    const number = devices.all.indexOf(device);
    if (number >= 0) list.push(`${number}:${Buffer.from(bytes).toString('hex')}`);
  };
  for (const local of job.local ?? []) {
    const [, address = '', , device = devices.in] = LOCAL.exec(local) ?? [];
    if (!address.includes(':')) continue;
    const group = Buffer.from('ff0200000000000000000001ff000000', 'hex');
    group.set(addressBytes(address).subarray(13), 13);
    add(device, group);
  }
  for (const text of job.groups ?? []) {
    const [address = '', device = devices.in] = text.split('%');
    add(device, addressBytes(address));
  }
  return [...new Set(list)].join(',');
}

const ALL_ZEROS = { 4: '00000000', 6: '0'.repeat(32) } as const;

/** Sockets as the injector opens them: `<protocol>:<address in hexadecimal>:<port>`. */
export function socketList({ proxies = [], family, rulesOther }: KernelJob): string {
  const families = familiesOf({ family, ...(rulesOther === undefined ? {} : { rulesOther }) });
  const hexOf = (words: readonly number[]): string => words.map((word) => word.toString(16).padStart(8, '0')).join('');
  return proxies
    .flatMap(({ protocol, address, port }) =>
      (address === undefined ? families.map((one) => ALL_ZEROS[one]) : [hexOf(address)]).map(
        (hex) => `${protocol}:${hex}:${port}`,
      ),
    )
    .join(',');
}

/** Behind the local table everything is local for packets with the job's mark. `answers`: what a router answers is wanted, and has a way of its own; where nobody wants it, all that it asks routing is asked of the job's routes. */
export function policyRules({ localMark, topology, ...job }: KernelJob, answers: boolean): string[][] {
  return familiesOf(job).flatMap((family) => {
    const add = ['ip', `-${family}`, 'rule', 'add'];
    return [
      ...(topology === 'forward' && answers ? [[...add, 'iif', 'lo', 'lookup', OWN_TABLE_NUMBER]] : []),
      ...(localMark === undefined ? [] : [[...add, 'fwmark', localMark, 'lookup', LOCAL_MARK_TABLE]]),
    ];
  });
}

/** Names of the marker chains: `first_forward` sees what reaches the hook, `last_forward` what is left at its end. */
export const HOOKS = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const;
export type OwnHook = (typeof HOOKS)[number];

/**
 * The oracle's own table. In OUTPUT, before everything else (raw, defragmentation and conntrack), it drops what the injector did not
 * send: the kernel's answers (RST, ICMP errors, echo replies, REJECT) are in the capture where they happened, and must not count twice
 * or change connections. Those of `answers` go through, and their frames are not sent. With `trace` it switches tracing on for every packet, and has an empty chain at the beginning and the end of
 * every hook: their trace records say how far a packet came. No conntrack expression, so no conntrack is loaded by it.
 */
export function ownTable(trace: boolean, answers: readonly OwnAnswers[] = []): string {
  const priority = `${(INJECT_PRIORITY >>> 16).toString(16)}:${(INJECT_PRIORITY & 0xffff).toString(16)}`;
  const lines = [`table inet ${OWN_TABLE} {`];
  for (const hook of HOOKS) {
    const rules: string[] = [];
    if (hook === 'output') rules.push(...answerRules(answers, priority, trace), `    meta priority != ${priority} drop`);
    if (trace && (hook === 'output' || hook === 'prerouting')) rules.push('    meta nftrace set 1');
    if (rules.length === 0 && !trace) continue;
    lines.push(`  chain first_${hook} {`, `    type filter hook ${hook} priority -500; policy accept;`, ...rules, '  }');
    if (!trace) continue;
    lines.push(`  chain last_${hook} {`, `    type filter hook ${hook} priority 2147483647; policy accept;`, '  }');
  }
  return `${lines.join('\n')}\n}\n`;
}

/** The family a frame is sent as. */
export function frameFamily(job: KernelJob, frame: KernelFrame): Family {
  if (frame.family !== undefined) return frame.family;
  if (job.rulesOther === undefined) return job.family;
  return (frame.bytes[0] ?? 0) >> 4 === 6 ? 6 : 4;
}

function mac(text: string): number[] {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) throw new KernelError(`not a MAC address: ${text}`);
  return text.split(':').map((part) => Number.parseInt(part, 16));
}

function macText(text: string): string {
  mac(text);
  return text;
}

function destination(frame: KernelFrame, family: Family, device: number, own: string | undefined): number[] {
  if (frame.dstMac !== undefined) return mac(frame.dstMac);
  if (frame.dstMacKind === 'broadcast') return [255, 255, 255, 255, 255, 255];
  if (frame.dstMacKind === 'other') return [2, 0, 0, 0, 255, 1];
  if (frame.dstMacKind !== 'multicast') return own === undefined ? [2, 0, 0, 0, 0, device + 1] : mac(own);
  const b = frame.bytes;
  if (family === 6) return [0x33, 0x33, b[36] ?? 0, b[37] ?? 0, b[38] ?? 0, b[39] ?? 0];
  return [1, 0, 0x5e, (b[17] ?? 0) & 127, b[18] ?? 0, b[19] ?? 0];
}

/** IP bytes without what stands behind the packet (Ethernet padding): a raw socket would count it in. */
export function withoutPadding(bytes: Uint8Array, family: Family): Uint8Array {
  const length = family === 4 ? ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0) : 40 + (((bytes[4] ?? 0) << 8) | (bytes[5] ?? 0));
  const jumbo = family === 6 ? length === 40 && bytes[6] === 0 : length === 0;
  return jumbo || length >= bytes.length ? bytes : bytes.subarray(0, length);
}

/** Why the raw socket could not send this packet as it is; undefined when it can. */
export function cannotSend(bytes: Uint8Array, family: Family): string | undefined {
  if (bytes.length < (family === 4 ? 20 : 40)) return 'shorter than an IP header';
  if (family === 6) return undefined;
  const total = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  if (total !== 0 && total > bytes.length) return 'truncated: the raw socket would write another total length';
  return undefined;
}

/** Link-local addresses and groups of the device or the link: the socket's address names their device (sin6_scope_id), and the socket need not be bound, so that a rule may send the packet elsewhere. */
function isScoped(bytes: Uint8Array, family: Family): boolean {
  const [first = 0, second = 0] = bytes.subarray(24, 26);
  return family === 6 && (first === 0xff ? (second & 15) <= 2 : first === 0xfe && (second & 0xc0) === 0x80);
}

/** A frame as the injector reads it (see INJECTOR). `origin`: time of the first frame, nanoseconds. */
export function encodeFrame(job: KernelJob, devices: Devices, frame: KernelFrame, origin: bigint): Uint8Array {
  const family = frameFamily(job, frame);
  const name = frame.iface ?? (frame.direction === 'in' ? devices.in : devices.out);
  const device = Math.max(0, devices.all.indexOf(name));
  const bound = frame.direction === 'out' && frame.iface !== undefined && frame.iface !== 'lo' && !isScoped(frame.bytes, family);
  let bytes = frame.bytes;
  if (frame.direction === 'out') {
    bytes = cannotSend(bytes, family) === undefined ? withoutPadding(bytes, family) : new Uint8Array(0);
  } else {
    const type = family === 4 ? [8, 0] : [0x86, 0xdd];
    const head = [
      ...destination(frame, family, device, job.links?.[name]?.mac),
      ...mac(frame.srcMac ?? '02:00:00:00:00:99'),
      ...type,
    ];
    bytes = Buffer.concat([Uint8Array.from(head), frame.bytes]);
  }
  const head = Buffer.alloc(14);
  const never = frame.answer === 'only' ? 8 : 0;
  head.writeUInt8(frame.direction === 'in' ? 0 : (family === 4 ? 1 : 2) | (bound ? 4 : 0) | never, 0);
  head.writeUInt8(device, 1);
  head.writeBigUInt64LE(frame.time > origin ? frame.time - origin : 0n, 2);
  head.writeUInt32LE(bytes.length, 10);
  return Buffer.concat([head, bytes]);
}
