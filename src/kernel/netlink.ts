/** Reading of nfnetlink messages: nfnetlink_log packets and nf_tables trace records (linux/netfilter/nfnetlink_log.h, nf_tables.h). */

/** NFULA_* */
const NFULA_PREFIX = 10;
/** NFTA_TRACE_* */
const TRACE_TABLE = 1;
const TRACE_CHAIN = 2;
const TRACE_RULE_HANDLE = 3;
const TRACE_TYPE = 4;
const TRACE_TYPES = ['', 'policy', 'return', 'rule'] as const;

const NLMSG_HEADER = 16;
const NFGEN_HEADER = 4;

/** One record of `meta nftrace`. */
export interface NftTrace {
  /** NFPROTO_*: 1 inet, 2 IPv4, 10 IPv6. */
  family: number;
  table: string;
  chain: string;
  kind: 'policy' | 'return' | 'rule';
  /** Handle of the rule, in decimal; undefined for a policy. */
  handle?: string;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

/** The first attribute of a type. */
function attribute(bytes: Uint8Array, type: number): Uint8Array | undefined {
  for (let at = NLMSG_HEADER + NFGEN_HEADER; at + 4 <= bytes.length; ) {
    const length = u16(bytes, at);
    if (length < 4 || at + length > bytes.length) return undefined;
    if ((u16(bytes, at + 2) & 0x3fff) === type) return bytes.subarray(at + 4, at + length);
    at += (length + 3) & ~3;
  }
  return undefined;
}

/** Attributes by type; values are views. Broken lengths end the walk. */
function attributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  let at = NLMSG_HEADER + NFGEN_HEADER;
  while (at + 4 <= bytes.length) {
    const length = u16(bytes, at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(u16(bytes, at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

function text(value: Uint8Array | undefined): string {
  if (value === undefined) return '';
  const end = value.indexOf(0);
  return Buffer.from(value.buffer, value.byteOffset, end < 0 ? value.length : end).toString('utf8');
}

/**
 * The words after `TRACE: ` of an nfnetlink_log message; undefined for any other message (acknowledgements, NFLOG rules of the
 * rule set that use group 0 too).
 */
export function logWords(message: Uint8Array): string | undefined {
  const prefix = text(attribute(message, NFULA_PREFIX));
  return prefix.startsWith('TRACE: ') ? prefix.slice(7).trimEnd() : undefined;
}

/** An nf_tables trace message; undefined for other messages. Numbers inside are big endian. */
export function nftTrace(message: Uint8Array): NftTrace | undefined {
  const found = attributes(message);
  const kind = TRACE_TYPES[found.get(TRACE_TYPE)?.at(3) ?? 0];
  if (!kind) return undefined;
  const record: NftTrace = {
    family: message[NLMSG_HEADER] ?? 0,
    table: text(found.get(TRACE_TABLE)),
    chain: text(found.get(TRACE_CHAIN)),
    kind,
  };
  const handle = found.get(TRACE_RULE_HANDLE);
  if (handle !== undefined && handle.length === 8) record.handle = Buffer.from(handle).readBigUInt64BE(0).toString();
  return record;
}
