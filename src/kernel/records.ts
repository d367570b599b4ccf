/** What an injector writes down, frame by frame: the same records from the running kernel and from a virtual-clock one. */
import { KernelError, type KernelJob, type KernelPacket } from './job.ts';
import { nftTrace } from './netlink.ts';
import * as plan from './plan.ts';
import type { Saved } from './saved.ts';
import { packetTrace, type RuleNumbers, tracedPacket } from './trace.ts';
import { untraceable } from './untraceable.ts';

/** The injector lost trace records, or a frame did not arrive. */
export class LostRecords extends KernelError {}

/** A packet before its trace is read. */
export interface RawPacket extends KernelPacket {
  logs: Uint8Array[];
  traces: Uint8Array[];
  /** An IPv4 fragment that was put to others of its packet. */
  gathered?: boolean;
}

/** Splits the injector's output into what belongs to each frame. */
export function collect(job: KernelJob, output: Uint8Array): RawPacket[] {
  const packets: RawPacket[] = job.frames.map(() => ({ left: [], injected: 0n, logs: [], traces: [] }));
  const view = Buffer.from(output.buffer, output.byteOffset, output.byteLength);
  const lost: string[] = [];
  /** By the frame that is answered. */
  const answers = new Map<number, RawPacket>();
  for (let at = 0; at + 9 <= view.length; ) {
    const kind = view.readUInt8(at);
    const frame = view.readUInt32LE(at + 1);
    const end = at + 9 + view.readUInt32LE(at + 5);
    const bytes = output.subarray(at + 9, end);
    at = end;
    const packet = packets[frame];
    if (packet === undefined) continue;
    if (kind === 1) (answers.get(frame) ?? packet).logs.push(bytes);
    else if (kind === 2) packet.traces.push(bytes);
    else if (kind === 3) packet.left.push(bytes);
    else if (kind === 4) packet.injected = Buffer.from(bytes).readBigUInt64LE(0);
    else if (kind === 5) packet.unsent = Buffer.from(bytes).toString('utf8');
    else if (kind === 8) packet.gathered = true;
    else if (kind === 9) answers.set(frame, packets[Buffer.from(bytes).readUInt32LE(0)] ?? packet);
    else lost.push(`frame ${frame}: ${kind === 6 ? `${Buffer.from(bytes).toString('utf8')} overran` : 'did not arrive'}`);
  }
  if (lost.length > 0) throw new LostRecords(`records lost: ${lost.slice(0, 5).join('; ')}`);
  for (const [frame, answer] of answers) takeAnswer(packets[frame]!, answer);
  for (const [i, packet] of packets.entries()) {
    const frame = job.frames[i];
    if (frame?.direction !== 'out') continue;
    const reason = plan.cannotSend(frame.bytes, plan.frameFamily(job, frame));
    if (reason !== undefined) packet.unsent = reason;
  }
  return packets;
}

/** What left for a frame that was refused is the answer to it; the answer's trace begins where a packet enters OUTPUT for the last time. */
function takeAnswer(refused: RawPacket, answer: RawPacket): void {
  Object.assign(answer, { ownAnswer: true, left: refused.left });
  refused.left = [];
  const ids = refused.traces.map((message) => nftTrace(message));
  const entered = ids.findLast((record) => record?.table === plan.OWN_TABLE && record.chain === 'first_output');
  const begins = ids.findIndex((record) => record?.id === entered?.id);
  const earlier = new Set(ids.slice(0, Math.max(0, begins)).map((record) => record?.id));
  answer.traces = refused.traces.filter((_, i) => !earlier.has(ids[i]?.id));
  refused.traces = refused.traces.filter((_, i) => earlier.has(ids[i]?.id));
}

/** The traced half, read with the tables of the packet's own family. */
export function tracedPackets(
  job: KernelJob,
  raw: RawPacket[],
  saved: Saved,
  other: Saved | undefined,
  numbers: RuleNumbers | undefined,
): KernelPacket[] {
  return raw.map(({ logs, traces, gathered = false, ...packet }, i) => {
    const frame = job.frames[i];
    if (!job.trace || frame === undefined) return packet;
    const family = plan.frameFamily(job, frame);
    const trace = packetTrace(logs, traces, numbers);
    // Silence says nothing of such a packet; the counters do.
    if (trace.marks.length + trace.path.length === 0 && untraceable(frame.bytes, family)) return packet;
    return { ...packet, ...tracedPacket(trace, family === job.family ? saved : (other ?? saved), gathered) };
  });
}
