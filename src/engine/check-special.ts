/** What each special test reads of its parameters is there, and what it does with them ends. */
import * as special from '../abi/special.ts';

/** How many parameters a test reads, or whether those it has are right. */
type Parameters = number | ((parameters: Uint32Array) => boolean);

const KNOWN: ReadonlyMap<number, Parameters> = new Map<number, Parameters>([
  [special.SPECIAL_TCP_OPTION, 2],
  [special.SPECIAL_CONNTRACK, 48],
  [special.SPECIAL_LIMIT, 2],
  [special.SPECIAL_LIMIT_NFT, 4],
  [special.SPECIAL_ADDRTYPE_DEVICE, 4],
  [special.SPECIAL_CLUSTER, 4],
  [special.SPECIAL_PACKET_TYPE, 3],
  [special.SPECIAL_CONNMARK, 3],
  [special.SPECIAL_CONNBYTES, 6],
  [special.SPECIAL_CONNLABEL, 3],
  [special.SPECIAL_CONNLIMIT, 8],
  [special.SPECIAL_HELPER, 2],
  [special.SPECIAL_SCTP_CHUNKS, 14],
  [special.SPECIAL_NTH, 3],
  [special.SPECIAL_RANDOM, 3],
  [special.SPECIAL_QUOTA, 3],
  [special.SPECIAL_RECENT, 9],
  [special.SPECIAL_ACCOUNT, 0],
  [special.SPECIAL_OSF, isOsf],
  [special.SPECIAL_RATE_COUNT, isRate(0)],
  [special.SPECIAL_RATE_KEEP, isRate(0)],
  [special.SPECIAL_RATE_COMPARE, isRate(5)],
  [special.SPECIAL_SET, 8],
  [special.SPECIAL_HASHLIMIT, 28],
  [special.SPECIAL_PAYLOAD, isPayload],
  [special.SPECIAL_STRING, isString],
  [special.SPECIAL_U32, isU32],
  [special.SPECIAL_TCPMSS, 3],
  [special.SPECIAL_IPV6_HEADERS, 3],
  [special.SPECIAL_ROUTING_ADDRESSES, (parameters) => parameters.length >= 2 && parameters.length === 2 + parameters[1]! * 4],
  [special.SPECIAL_HEADER_OPTIONS, (parameters) => parameters.length >= 2 && parameters.length === 2 + parameters[1]! * 2],
  [special.SPECIAL_SEGMENTS, 26],
  [special.SPECIAL_EUI64, 0],
  [special.SPECIAL_TIME, 7],
  [special.SPECIAL_BPF, isBpf],
  [special.SPECIAL_DCCP_OPTION, 3],
  [special.SPECIAL_REVERSE_PATH, 3],
  [special.SPECIAL_LISTED, (parameters) => lists(parameters) === 1],
  [special.SPECIAL_LISTED_BY_WAY, (parameters) => lists(parameters) === 2],
]);

/** True when the engine may run special test `code` with these parameters. */
export function isSpecialTest(code: number, parameters: Uint32Array): boolean {
  const wanted = KNOWN.get(code);
  return typeof wanted === 'function' ? wanted(parameters) : wanted === parameters.length;
}

/** How many lists of packets there are, each behind its length; 0 when one goes beyond the end. */
function lists(parameters: Uint32Array): number {
  let count = 0;
  for (let at = 0; at < parameters.length; at += 2 + parameters[at + 1]!) {
    if (parameters.length - at < 2 + (parameters[at + 1] ?? 0)) return 0;
    count++;
  }
  return count;
}

/** Behind `own` parameters those of an estimator, whose ticks come after some time. */
function isRate(own: number): (parameters: Uint32Array) => boolean {
  return (parameters) => {
    const [period = 0, shift = 64, weight = 64] = parameters.subarray(own);
    return parameters.length === own + 3 && period > 0 && shift < 64 && weight < 64;
  };
}

/** Fingerprints, each with as many options as it says, as long together as it says; no window is a multiple of 0. */
function isOsf(parameters: Uint32Array): boolean {
  let at = 2;
  for (let finger = 0; finger < parameters[1]!; finger++) {
    const [head = 0, value = 0, sizes = 0, options = 41] = parameters.subarray(at, at + 4);
    const listed = parameters.subarray(at + 4, at + 4 + options);
    if (options > 40 || listed.length !== options || (head & 255) > special.OSF_MODULO) return false;
    if ((head & 255) === special.OSF_MODULO && value === 0) return false;
    if (listed.reduce((sum, option) => sum + (option >>> 8), 0) !== sizes >>> 16) return false;
    // What announces a segment has room for it.
    if (listed.some((option) => (option & 255) === 2 && option >>> 8 < 4)) return false;
    at += 4 + options;
  }
  return at === parameters.length;
}

function isPayload(parameters: Uint32Array): boolean {
  return parameters.length === 8 && [0, 1, 2, 4].includes(parameters[2]!);
}

function isString(parameters: Uint32Array): boolean {
  const [algorithm = 2, , , , , length = 0] = parameters;
  if (algorithm > special.STRING_KMP || length === 0 || length > 128) return false;
  const bytes = length + (algorithm === special.STRING_BM ? 256 + length : 0);
  if (parameters.length !== 6 + Math.ceil(bytes / 4)) return false;
  // The search never stands still.
  const shifts = new Uint8Array(parameters.buffer, parameters.byteOffset + 24 + length, bytes - length);
  return shifts.subarray(256).every((shift) => shift > 0);
}

/** Jumps stay inside, cells are those there are, and the end returns. */
function isBpf(parameters: Uint32Array): boolean {
  const count = parameters[0] ?? 0;
  if (count === 0 || parameters.length !== 1 + count * 2) return false;
  for (let index = 0; index < count; index++) {
    const [head = 0, k = 0] = parameters.subarray(1 + index * 2);
    const kind = head & 7;
    const left = count - index - 1;
    const usesCell = kind === 2 || kind === 3 || (kind < 2 && (head & 0xe0) === 0x60);
    if (usesCell && k > 15) return false;
    if (kind === 5 && Math.max((head & 0xffff) === 5 ? k : 0, (head >>> 16) & 255, head >>> 24) >= left) return false;
    if (index === count - 1 && kind !== 6) return false;
  }
  return true;
}

function isU32(parameters: Uint32Array): boolean {
  let at = 2;
  for (let test = 0; test < parameters[1]!; test++) {
    const [numbers = 0, ranges = 0] = parameters.subarray(at, at + 2);
    if (numbers === 0 || numbers > 16 || ranges > 16) return false;
    at += 2 + (numbers + ranges) * 2;
    if (at > parameters.length) return false;
  }
  return at === parameters.length;
}
