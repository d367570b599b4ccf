/** The output ring's records as packet outcomes. */
import * as abi from '../abi/records.ts';
import { drawnEnds } from '../model/connections.ts';
import type { CtState, HookName, PacketOutcome, Verdict } from '../model/outcome.ts';
import { INVALID_WORDS, STACK_WORDS, UNSEEN_WORDS } from '../model/reasons.ts';
import type { PathWord, PathWords } from './counters.ts';

export const VERDICTS: readonly Verdict[] = ['ACCEPT', 'DROP', 'REJECT', 'STACK'];
export const HOOKS: readonly HookName[] = ['INPUT', 'OUTPUT', 'FORWARD'];
export const STATES: readonly CtState[] = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED'];

/** Calls back for every record in `bytes` of the ring at `at`. */
export function readRecords(
  memory: ArrayBuffer,
  at: number,
  bytes: number,
  words: PathWords,
  withPath: boolean,
  each: (outcome: PacketOutcome) => void,
): void {
  const view = new DataView(memory, at, bytes);
  for (let offset = 0; offset < bytes; ) {
    const segments = view.getUint32(offset + abi.RECORD_SEGMENTS, true);
    const outcome = readRecord(view, offset, segments, words, withPath);
    const end = abi.RECORD_SIZE + segments * 4;
    const size = view.getUint32(offset + abi.RECORD_REWRITTEN, true);
    const drawn = view.getUint32(offset + abi.RECORD_FLAGS, true) >>> abi.RECORD_DRAWN_SHIFT;
    if (drawn !== 0) outcome.drawn = drawnEnds(drawn);
    if (size > 0) outcome.rewritten = new Uint8Array(memory, at + offset + end, size).slice();
    each(outcome);
    offset += (end + size + 7) & ~7;
  }
}

function readRecord(view: DataView, offset: number, segments: number, words: PathWords, withPath: boolean): PacketOutcome {
  const word = (field: number): number => view.getUint32(offset + field, true);
  const outcome: PacketOutcome = {
    packet: Number(view.getBigUint64(offset + abi.RECORD_NUMBER, true)),
    time: view.getBigUint64(offset + abi.RECORD_TIME, true),
    bytes: word(abi.RECORD_BYTES),
    hook: null,
    verdict: null,
  };
  const unseen = word(abi.RECORD_UNSEEN);
  if (unseen !== 0) {
    outcome.unseen = UNSEEN_WORDS[unseen] ?? '';
    return outcome;
  }
  outcome.hook = HOOKS[word(abi.RECORD_HOOK)]!;
  outcome.verdict = VERDICTS[word(abi.RECORD_VERDICT)]!;
  const state = word(abi.RECORD_STATE);
  if (state !== abi.RECORD_NO_STATE) outcome.ctstate = STATES[state]!;
  const reason = outcome.verdict === 'STACK' ? STACK_WORDS[word(abi.RECORD_STACK)] : INVALID_WORDS[word(abi.RECORD_INVALID)];
  if (reason !== undefined && reason !== '') outcome.reason = reason;
  const { path, own } = readPath(view, offset + abi.RECORD_SIZE, segments, words);
  const rule = decidingRule(own, outcome.verdict, (word(abi.RECORD_FLAGS) & abi.RECORD_FLAG_SILENT) !== 0);
  if (rule !== undefined) outcome.rule = rule;
  if (withPath) {
    outcome.path = path.map(({ text }) => text);
    if ((word(abi.RECORD_FLAGS) & abi.RECORD_FLAG_CUT) !== 0) outcome.path.push('...');
  }
  return outcome;
}

/** `own`: without what happened to a copy of the packet. */
function readPath(view: DataView, at: number, segments: number, words: PathWords): { path: PathWord[]; own: PathWord[] } {
  const path: PathWord[] = [];
  const own: PathWord[] = [];
  let copy = false;
  for (let index = 0; index < segments; index++) {
    const segment = view.getUint32(at + index * 4, true);
    if (segment === 0) copy = !copy;
    path.push(...words.of(segment));
    if (!copy) own.push(...words.of(segment));
  }
  return { path, own };
}

/** DROP, REJECT: the last line; a packet that a match of ip_tables dropped has none. ACCEPT: the last of the filter table, where it has one. STACK: none. */
function decidingRule(path: readonly PathWord[], verdict: Verdict, silent: boolean): string | undefined {
  if (verdict === 'STACK' || silent) return undefined;
  if (verdict !== 'ACCEPT') return path.at(-1)?.text;
  for (let index = path.length - 1; index >= 0; index--) if (path[index]!.table === 'filter') return path[index]!.text;
  return path.at(-1)?.text;
}
