/** What a comparison looks up in the captures: the packets that change, and those that go elsewhere. */
import type { CaptureInfo, Frame } from '../model/witness.ts';
import { CaptureOpenError } from '../replay/open.ts';
import { forEachFrame } from '../replay/replay.ts';
import { type Change, ChangeCollector, changedPackets, movedPackets } from '../report/comparison.ts';
import type { FateList } from '../report/fates.ts';
import { LineFile } from './line-file.ts';

/**
 * Looks the changed packets up in the captures, whose packets `infos` has; every one becomes a line of `file`; `onUnread` as for a LineFile. `gone`: why a capture that was judged could not be
 * read again, so that its packets are counted, and not looked up.
 */
export async function changesOf(
  captures: readonly string[],
  infos: readonly CaptureInfo[],
  lists: readonly FateList[],
  file: string | undefined,
  onUnread: () => void,
) {
  const changed = changedPackets(lists);
  const moved = movedPackets(lists);
  const last = Math.max(changed.at(-1) ?? -1, moved.at(-1) ?? -1);
  const lines = file === undefined ? undefined : new LineFile('--verdicts', file, onUnread);
  try {
    const collector = new ChangeCollector(lists, changed, (change: Change) => lines?.write(JSON.stringify(change)));
    const elsewhere = new ChangeCollector(lists, moved);
    const gone = await eachFrame(captures, infos, last, (frame, index) => {
      collector.add(frame, index);
      elsewhere.add(frame, index);
    });
    const told = { ...collector.result(), gone };
    if (moved.length === 0) return told;
    const { changed: counts, ...listed } = elsewhere.result();
    return { ...told, elsewhere: { ...counts, ...listed } };
  } finally {
    lines?.close();
  }
}

/** The frames that were judged, up to one, with their numbers from 0. Why captures cannot be read any more. */
async function eachFrame(
  captures: readonly string[],
  infos: readonly CaptureInfo[],
  last: number,
  take: (frame: Frame, index: number) => void,
): Promise<string[]> {
  const gone: string[] = [];
  let before = 0;
  for (const [place, { packets, damage }] of infos.entries()) {
    if (before > last) break;
    const most = Math.min(packets, last + 1 - before);
    const first = before;
    before += packets;
    if (most === 0) continue;
    try {
      await forEachFrame([captures[place]!], (frame, index) => {
        take(frame, first + index);
        return index + 1 < most;
      });
    } catch (error) {
      if (!(error instanceof CaptureOpenError)) throw error;
      // Of one that could not be read to its end, what was judged has come.
      if (damage?.unread !== true) gone.push(error.message);
    }
  }
  return gone;
}
