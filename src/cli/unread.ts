/** What was not read: captures of which not one was a capture, so that there is nothing to report, those in which nothing could be judged, those without packets, and what stood behind an interrupt. */
import { DAMAGE_NOT_A_CAPTURE } from '../abi/capture.ts';
import type { Damage } from '../capture/frames.ts';
import { DAMAGE_WORDS } from '../model/capture-reasons.ts';
import type { UNSEEN_WORDS } from '../model/reasons.ts';
import type { CaptureInfo, ReplayResult } from '../model/witness.ts';
import { isSupported } from '../packet/link.ts';
import { unpackHint, unreadPacking } from '../replay/packing.ts';
import { count, plural } from '../report/style.ts';
import { EXIT } from './exit.ts';
import { say } from './terminal.ts';

/** Says why there is no report: the exit code; undefined where something was read. */
export function saysUnread({ packets, captures }: Pick<ReplayResult, 'packets' | 'captures'>): number | undefined {
  if (packets > 0 || captures.length === 0) return undefined;
  const why = captures.flatMap(({ file, damage }) => whyNone(file, damage) ?? []);
  if (why.length < captures.length) return undefined;
  for (const each of why) say(`wasmtables: ${each}`);
  return captures.some(isUnread) ? EXIT.environment : EXIT.damaged;
}

const isUnread = ({ damage }: CaptureInfo): boolean => damage?.unread === true;

/** Says which captures could not be opened, or be read to their end, beside the report of the others: whether there are any. */
export function saysUnopened(captures: readonly CaptureInfo[]): boolean {
  const unread = captures.filter(isUnread);
  for (const { file, damage } of unread) say(`wasmtables: ${file}: ${damage?.reason}`);
  return unread.length > 0;
}

function whyNone(file: string, { reason, unread }: Partial<Damage> = {}): string | undefined {
  if (reason === undefined) return undefined;
  if (unread === true) return `${file}: ${reason}`;
  if (reason === DAMAGE_WORDS[DAMAGE_NOT_A_CAPTURE]) return `${file}: ${reason}; captures go with -r, rules with -R`;
  const packing = unreadPacking(reason);
  return packing && `${file}: ${reason}\n  ${unpackHint(packing, file === 'standard input' ? undefined : file)}`;
}

const LINK_TYPE: (typeof UNSEEN_WORDS)[number] = 'link type not supported';

/** What could not be judged at all, beside the report; undefined where something was, and every link type is one that is read. */
export function whyUnjudged({
  packets,
  captures,
  unseen,
}: Pick<ReplayResult, 'packets' | 'captures' | 'unseen'>): string | undefined {
  const strange = unseen[LINK_TYPE] ?? 0;
  if (strange > 0) {
    const types = [...new Set(captures.flatMap(({ linktypes }) => linktypes))].filter((one) => !isSupported(one));
    return `wasmtables: ${plural(strange, 'packet')} could not be judged: nobody here reads link type ${types.join(', ')} (LINKTYPE_ numbers of tcpdump.org)`;
  }
  const reasons = Object.entries(unseen).map(([why, number]) => `${count(number)} ${why}`);
  if (Object.values(unseen).reduce((sum, count) => sum + count, 0) < packets) return undefined;
  const none =
    packets === 0 ? 'there are no packets' : `of ${plural(packets, 'packet')} none reached netfilter (${reasons.join(', ')})`;
  return `wasmtables: nothing was judged: ${none}`;
}

/** Notes of a report: captures that were read and have no packet. */
export const emptyNotes = ({ captures }: Pick<ReplayResult, 'captures'>): string[] =>
  captures.filter(({ packets, damage }) => packets === 0 && damage === undefined).map(({ file }) => `${file} has no packets`);

/** Note of an interrupted report: how far it got. `asked`: how many captures there are. */
export function interruptedNote({ packets, captures }: Pick<ReplayResult, 'packets' | 'captures'>, asked: number): string {
  const last = captures.at(-1);
  const unopened = asked - captures.length;
  const behind = unopened === 0 ? '' : `, and ${plural(unopened, 'more capture')} of ${count(asked)},`;
  if (last === undefined || packets === 0) return 'interrupted before the first packet was judged';
  const which = captures.length > 1 ? `packet ${count(last.packets)} of ${last.file}` : last.file;
  return `interrupted behind packet ${count(packets)} (${which}): what follows it${behind} was not judged`;
}
