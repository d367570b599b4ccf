/** What LOG rules are given to write down: the request of the rule, and the packet as it was in that moment. */
import { count } from './count.ts';
import type { Family } from './ruleset.ts';

/** Options of a LOG rule. */
export interface LogRequest {
  prefix: string;
  /** syslog priority, 0 emergency to 7 debug. */
  level: number;
  /** Names of the flag options that are set (`log-tcp-options`...), in printing order. */
  flags: readonly string[];
}

/** A packet that reached a LOG rule. */
export interface LoggedPacket {
  request: LogRequest;
  family: Family;
  /** '' where the hook has none. */
  inInterface: string;
  outInterface: string;
  /**
   * The Ethernet header: destination, source, EtherType of what is inside (tags are taken off by then). Empty: the device is one of Ethernet, the packet came without a header (the copy of an own
   * broadcast). null: no Ethernet, or the capture does not tell it.
   */
  linkHeader: Uint8Array | null;
  /** From the IP header on, as far as they were captured, as rules before this one left them. */
  bytes: Uint8Array;
  /** skb->len. */
  length: number;
  mark: number;
}

/** What was written down of a packet does not fit the engine's memory: for the report. */
export const logNote = (lost: number): string =>
  `${lost === 1 ? '1 log line is' : `${count(lost)} log lines are`} missing: a packet met more LOG rules than the engine has room for`;
