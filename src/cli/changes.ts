/** What a comparison looks up in the captures: the packets that change, and those that go elsewhere. */
import { forEachFrame } from '../replay/replay.ts';
import { type Change, ChangeCollector, changedPackets, movedPackets } from '../report/comparison.ts';
import type { FateList } from '../report/fates.ts';
import { LineFile } from './line-file.ts';

/** Looks the changed packets up in the captures; every one becomes a line of `file`; `onUnread` as for a LineFile. */
export async function changesOf(
  captures: readonly string[],
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
    if (last >= 0) {
      await forEachFrame(captures, (frame, index) => {
        collector.add(frame, index);
        elsewhere.add(frame, index);
        return index < last;
      });
    }
    if (moved.length === 0) return collector.result();
    const { changed: counts, ...listed } = elsewhere.result();
    return { ...collector.result(), elsewhere: { ...counts, ...listed } };
  } finally {
    lines?.close();
  }
}
