/** Reading of nfnetlink messages: nfnetlink_log packets and nf_tables trace records (linux/netfilter/nfnetlink_log.h, nf_tables.h). */

/** NFULA_* */
const NFULA_PREFIX = 10;
/** NFTA_TRACE_* */
const TRACE_TABLE = 1;
const TRACE_CHAIN = 2;
const TRACE_RULE_HANDLE = 3;
const TRACE_TYPE = 4;
const TRACE_ID = 6;
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
  /** Tells the packet from others that are under way at the same time. */
  id: string;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

/** The messages in what was read from a netlink socket; views. A broken length ends the walk. */
export function* messagesIn(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at + NLMSG_HEADER <= bytes.length; ) {
    const length = u16(bytes, at) | (u16(bytes, at + 2) << 16);
    if (length < NLMSG_HEADER || at + length > bytes.length) return;
    yield bytes.subarray(at, at + length);
    at += (length + 3) & ~3;
  }
}

/** NETLINK_NETFILTER. */
export const NETFILTER_BUS = 12;

/** NFNL_SUBSYS_NFTABLES with NFT_MSG_NEWRULE and NFT_MSG_GETRULE. */
const NEW_RULE = 0x0a06;
const GET_RULE = 0x0a07;

/** The request to dump every nf_tables rule: NLM_F_REQUEST and NLM_F_DUMP, any family, sequence number 1. */
export const RULES_REQUEST = Uint8Array.of(20, 0, 0, 0, GET_RULE & 255, GET_RULE >> 8, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

/** Where a rule of nf_tables stands. */
export interface ListedRule {
  /** NFPROTO_*. */
  family: number;
  table: string;
  chain: string;
  /** In decimal. */
  handle: string;
}

/** A rule of the dump (NFTA_RULE_*: 1 table, 2 chain, 3 handle); undefined for other messages. */
export function listedRule(message: Uint8Array): ListedRule | undefined {
  if (u16(message, 4) !== NEW_RULE) return undefined;
  const found = attributes(message);
  const family = message[NLMSG_HEADER] ?? 0;
  return { family, table: text(found.get(1)), chain: text(found.get(2)), handle: handleText(found.get(3)) ?? '' };
}

function handleText(value: Uint8Array | undefined): string | undefined {
  return value?.length === 8 ? Buffer.from(value).readBigUInt64BE(0).toString() : undefined;
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

/** What nf_conntrack_log_invalid says of a packet: the words after `nf_ct_proto_6: `; undefined for any other message. */
export function invalidWords(message: Uint8Array): string | undefined {
  const [, words] = /^nf_ct_proto_\d+: (.*)$/.exec(text(attribute(message, NFULA_PREFIX)).trimEnd()) ?? [];
  return words;
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
    id: Buffer.from(found.get(TRACE_ID) ?? []).toString('hex'),
  };
  const handle = handleText(found.get(TRACE_RULE_HANDLE));
  if (handle !== undefined) record.handle = handle;
  return record;
}
