/** How long a TCP connection lives after a packet, and when it becomes ASSURED (end of nf_conntrack_tcp_packet, 6.18). */
import { STATUS_ASSURED } from '../../abi/fields.ts';
import { sysctl } from '../../model/profile.ts';
import * as tcp from '../../packet/tcp.ts';
import type { Connection } from './connection.ts';
import type { Segment } from './tcp.ts';
import { CLASS_RST, CLASS_SYN, CLOSE, DATA_UNACKNOWLEDGED, ESTABLISHED, SYN_RECV, SYN_SENT, type TcpState } from './tcp-state.ts';
import { refresh, type Tracked, type TrackerContext, timeoutOf } from './tracker.ts';

/** By state number; SYN_SENT2 has no sysctl of its own. */
const NAMES: readonly string[] = [
  '',
  'syn_sent',
  'syn_recv',
  'established',
  'fin_wait',
  'close_wait',
  'last_ack',
  'time_wait',
  'close',
  '',
];
const SYN_SENT2_SECONDS = 120;

function ofState(state: number, context: TrackerContext): number {
  const name = NAMES[state];
  return name ? timeoutOf(context, `nf_conntrack_tcp_timeout_${name}`) : SYN_SENT2_SECONDS * context.profile.hz;
}

function chooseTimeout(state: TcpState, segment: Segment, context: TrackerContext): number {
  const usual = ofState(state.state, context);
  const retransmitted = timeoutOf(context, 'nf_conntrack_tcp_timeout_max_retrans');
  const unacknowledged = timeoutOf(context, 'nf_conntrack_tcp_timeout_unacknowledged');
  const maximum = sysctl(context.profile, 'nf_conntrack_tcp_max_retrans');
  if (state.retransmissions >= maximum && usual > retransmitted) return retransmitted;
  if (segment.kind === CLASS_RST) {
    // 6.12 believes a reset that keeps the connection open less than the others do.
    if (context.profile.kernel !== '6.12') return ofState(CLOSE, context);
    if (state.state === ESTABLISHED && usual > unacknowledged) return unacknowledged;
  }
  const waiting = ((state.sides[0].flags | state.sides[1].flags) & DATA_UNACKNOWLEDGED) !== 0;
  if (waiting && usual > unacknowledged) return unacknowledged;
  if (state.lastWindow === 0 && usual > retransmitted) return retransmitted;
  return usual;
}

/** `from`: the state before the packet; the connection has its new one. */
export function setTimeout(tracked: Tracked, segment: Segment, from: number, context: TrackerContext): void {
  const { packet, connection, direction } = tracked;
  const state = connection.tcp!;
  let timeout = chooseTimeout(state, segment, context);
  if (!connection.seenReply) {
    if (segment.has(tcp.RST)) {
      // Nobody answered but with this: there is no connection.
      connection.account(direction, packet.length);
      context.table.remove(connection);
      return;
    }
    // A repeated SYN does not keep an entry alive.
    if (segment.kind === CLASS_SYN && from === SYN_SENT) return;
    const cap = timeoutOf(context, 'nf_conntrack_tcp_timeout_unacknowledged');
    if (state.state === ESTABLISHED && timeout > cap) timeout = cap;
  } else {
    assure(connection, from, state.state);
  }
  refresh(tracked, timeout);
}

function assure(connection: Connection, from: number, to: number): void {
  if ((from === SYN_RECV || from === ESTABLISHED) && to === ESTABLISHED) connection.status |= STATUS_ASSURED;
}

/** nf_conntrack_tcp_set_closing: the host itself resets the connection (REJECT with tcp-reset). */
export function setClosing(connection: Connection, now: number, context: TrackerContext): void {
  const state = connection.tcp;
  if (!connection.confirmed || state === undefined) return;
  const already = state.state === CLOSE;
  state.state = CLOSE;
  if (!already) connection.timeout = now + ofState(CLOSE, context);
}
